package runbook

import (
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// mongoLogin connects mongosh by what its environment says: an address without
// a password, and the password.
const mongoLogin = `MONGO_LOGIN='db = connect(process.env.MONGO_URI.replace("@", ":" + encodeURIComponent(process.env.MONGO_PASSWORD) + "@"))'`

func (t *teller) mongoWay(s side) []Part {
	lines := []string{t.password(s)}
	if s.at == spec.Internal {
		lines = append(lines, t.forward(s.engine, mongoForward, "27017"), "MONGO_INSIDE='mongodb://root@127.0.0.1:"+mongoForward+"/?authSource=admin&directConnection=true'")
	} else {
		o := t.outside(s.engine)
		if len(o.Hosts) == 0 {
			lines = append(lines, `: "${MONGO_OUTSIDE:?how it is reached, without the password: mongodb://USER@HOST:27017/?authSource=admin&tls=true}"`)
		} else {
			at := "mongodb://" + server.EscapeQuery(o.Username) + "@" + strings.Join(o.Hosts, ",") + "/?authSource=" + server.EscapeQuery(orAdmin(o.AuthSource))
			if o.ReplicaSet != "" {
				at += "&replicaSet=" + server.EscapeQuery(o.ReplicaSet)
			}
			if o.TLSMode != string(spec.TLSDisable) {
				ca, made := t.authority(s)
				at, lines = at+"&tls=true&tlsCAFile="+server.EscapeQuery(ca), append(lines, made...)
			}
			lines = append(lines, "MONGO_OUTSIDE="+word(at))
		}
	}
	lines = append(lines, mongoLogin, "sleep 2", mongosh(s, `print("connected to MongoDB " + db.version())`))
	return parts(run("How "+s.title()+" is reached, with mongosh and MongoDB's database tools. "+passwordNote, strings.Join(lines, "\n")))
}

func orAdmin(name string) string {
	if name == "" {
		return "admin"
	}
	return name
}

// mongosh runs a script on a side. The script has no single quote in it.
func mongosh(s side, script string) string {
	p := s.prefix()
	return `MONGO_URI="$` + p + `" MONGO_PASSWORD="$` + p + `_PASSWORD" mongosh --quiet --nodb --eval "$MONGO_LOGIN" --eval '` + script + "'"
}

// mongoTool is one of MongoDB's database tools on a side. They take a password
// from a file of settings only, which is a pipe here.
func mongoTool(s side, program string) string {
	p := s.prefix()
	return program + ` --uri="$` + p + `" --config=<(printf "password: '%s'\n" "$(printf %s "$` + p + `_PASSWORD" | sed "s/'/''/g")")`
}

const showLock = `printjson({locked: !!db.adminCommand({"currentOp": 1, "$ownOps": true}).fsyncLock, fence: db.getSiblingDB("circleci_dr").state.findOne({"_id": "fence"})})`

const lockMongo = `printjson(db.adminCommand({"fsync": 1, "lock": true}))`

const unlockMongo = `if (db.adminCommand({"currentOp": 1, "$ownOps": true}).fsyncLock) printjson(db.adminCommand({"fsyncUnlock": 1}))`

// liftMongo takes the lock off and removes the fence's record, as the tool does
// (internal/mongo, unfence); not on a side that lost its turn.
const liftMongo = `const own = db.getSiblingDB("circleci_dr");
const turn = own.state.findOne({"_id": "lineage"});
if (turn && turn.state == "superseded") throw new Error("this side lost its turn at epoch " + turn.epoch + ": its fence stays");
if (db.adminCommand({"currentOp": 1, "$ownOps": true}).fsyncLock) printjson(db.adminCommand({"fsyncUnlock": 1}));
printjson(own.runCommand({"delete": "state", "deletes": [{"q": {"_id": "fence"}, "limit": 1}]}));`

// hashMongo prints a hash of every collection.
const hashMongo = `db.adminCommand({"listDatabases": 1, "nameOnly": true}).databases.map(d => d.name).filter(n => !["admin", "config", "local", "circleci_dr"].includes(n)).sort().forEach(n => {
  const hash = db.getSiblingDB(n).runCommand({"dbHash": 1}).collections;
  Object.keys(hash).sort().forEach(c => print(n + "." + c + " " + db.getSiblingDB(n)[c].countDocuments() + " " + hash[c]));
})`

const sessionsMongo = `db.getSiblingDB("admin").aggregate([{"$currentOp": {"allUsers": true, "idleConnections": true}}, {"$unwind": "$effectiveUsers"}, {"$group": {"_id": "$effectiveUsers.user", "connections": {"$sum": 1}}}]).forEach(printjson)`
