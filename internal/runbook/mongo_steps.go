package runbook

import "github.com/circleci-dr/circleci-dr/reconcile/engine"

func handOfMongo() hand {
	return hand{
		prefix: "MONGO", passwordKey: "mongodb-root-password", way: (*teller).mongoWay, lift: (*teller).liftMongo,
		read:      func(_ *teller, s side) string { return mongoTool(s, "mongodump") + " --archive > /dev/null" },
		fenceLook: func(s side) string { return mongosh(s, showLock) },
		lineage: func(s side) string {
			return mongosh(s, `printjson(db.getSiblingDB("circleci_dr").state.findOne({"_id": "lineage"}))`)
		},
		sessions: func(s side) string { return mongosh(s, sessionsMongo) },
		fence:    (*teller).fenceMongo, copy: (*teller).copyMongo, prove: (*teller).proveMongo,
	}
}

func (t *teller) fenceMongo(st engine.Step) Section {
	e := engineOf(st)
	s := t.source(e)
	return Section{
		Already: parts(run("", mongosh(s, showLock))),
		Do: parts(run("Every write waits while the lock is held; it ends with the server's process. A managed server may not allow it: then see that nothing connects, and compare once more before the switch.",
			mongosh(s, lockMongo))),
		Done: parts(run("locked is true.", mongosh(s, showLock))),
		Undo: join(t.liftMongo(s), parts(run("Made by hand, and without the tool's record:", mongosh(s, unlockMongo)))),
	}
}

// liftMongo takes the tool's fence off.
func (t *teller) liftMongo(s side) []Part {
	return parts(run("Made by circleci-dr: the lock is taken off and its record removed. A lockCount above 0 afterwards means that somebody else has locked the server too.", mongosh(s, liftMongo)))
}

func (t *teller) copyMongo(st engine.Step) Section {
	e := engineOf(st)
	s, d := t.source(e), t.target(e)
	return Section{
		Already: parts(run("Documents and hashes of both sides; they are equal when it is done.", mongosh(d, hashMongo))),
		Do: parts(run("Everything but the server's own. Collections that are there are dropped first. While the source is locked a dump can be read from it; nothing can be written to it.",
			mongoTool(s, "mongodump")+" --archive |\n  "+mongoTool(d, "mongorestore")+" --archive --drop --stopOnError --nsExclude='admin.*' --nsExclude='config.*' --nsExclude='"+ownDatabase+".*'")),
		Done: parts(run("", mongosh(d, hashMongo))),
		Undo: parts(say("Drop on the target the databases that were made there. What --drop replaced is gone: there is no way back to it.")),
	}
}
func (t *teller) proveMongo(st engine.Step) Section {
	e := engineOf(st)
	s, d := t.source(e), t.target(e)
	return Section{
		Already: parts(say("A comparison counts as long as the source has been locked since, and nobody was on the target: do it anew.")),
		Do: parts(run("A line for every collection: its documents and their hash. Indexes and options have to be compared as well.",
			mongosh(s, hashMongo)+" > source.txt\n"+mongosh(d, hashMongo)+" > target.txt\ndiff source.txt target.txt && echo 'the documents are equal'")),
		Done: parts(say("The last line says that they are equal. One difference: do not switch.")),
		Undo: parts(say("It changed nothing.")),
	}
}
