package mongo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
)

const (
	productMongoDB    = "mongodb"
	productDocumentDB = "documentdb"

	// settingCompatibility is the setting with the feature compatibility version.
	settingCompatibility = "featureCompatibilityVersion"

	// unreadable is a setting that the server does not tell us.
	unreadable = "unreadable"
)

// inspect reads both sides at once. A side that cannot be read has its error;
// the other is read all the same.
func (m *job) inspect(ctx context.Context) mover.InspectResult {
	result := mover.InspectResult{At: time.Now().UTC()}
	var facts sideFacts
	var wg sync.WaitGroup
	look := func(s *server, into **mover.InspectedSide, found *sideFacts) {
		if s == nil {
			return
		}
		*into = &mover.InspectedSide{}
		wg.Go(func() {
			db, all, err := s.inspect(ctx)
			if err != nil {
				(*into).Code, (*into).Error = errorCode(err), err.Error()
				return
			}
			(*into).Database = db
			if found != nil {
				*found = all
			}
		})
	}
	look(m.source, &result.Source, &facts)
	look(m.target, &result.Target, nil)
	wg.Wait()
	if result.Source == nil || result.Source.Database == nil {
		return result
	}
	source, err := m.source.record(ctx, facts, result.Source.Database.Settings[settingCompatibility])
	if err != nil {
		result.Source = &mover.InspectedSide{Code: errorCode(err), Error: err.Error()}
		return result
	}
	result.Adapted = source.adapted()
	if result.Target != nil && result.Target.Database != nil {
		result.Blocked = append(m.blocked(source.databases), m.try(ctx, source.databases, result.Target.Database)...)
	}
	return result
}

func errorCode(err error) string {
	var known *mover.Error
	if errors.As(err, &known) {
		return known.Code
	}
	return mover.CodeFailed
}

// inspect reads everything a plan wants to know about one side.
func (s *server) inspect(ctx context.Context) (*mover.Database, sideFacts, error) {
	if err := s.connect(ctx); err != nil {
		return nil, sideFacts{}, err
	}
	db := &mover.Database{ServerVersion: s.build.Version, VersionNum: s.build.number(), Settings: map[string]string{}}
	began := time.Now()
	if err := s.command(ctx, "admin", bson.D{{Key: "ping", Value: 1}}, nil); err != nil && !notAllowed(err) {
		return nil, sideFacts{}, err
	}
	db.Latency, db.TLSVersion = time.Since(began), s.tlsVersion()
	db.Presented = s.presented(ctx)
	for _, read := range []func(context.Context, *mover.Database) error{s.inspectRole, s.inspectSettings, s.inspectSessions} {
		if err := read(ctx, db); err != nil {
			return nil, sideFacts{}, err
		}
	}
	f, err := s.facts(ctx)
	if err != nil {
		return nil, sideFacts{}, err
	}
	db.Fence, db.Lineage = f.fence.state(), f.lineage.mark()
	for _, d := range f.databases {
		db.Databases = append(db.Databases, d.info())
		for name, why := range d.left {
			if strings.HasPrefix(name, bucketPrefix) {
				db.Unsupported = append(db.Unsupported, mover.UnsupportedObject{Database: d.name, Object: "collection " + name, Reason: why})
			}
		}
	}
	if s.hello.Message == "isdbgrid" {
		db.Unsupported = append(db.Unsupported, mover.UnsupportedObject{Object: "server " + s.where(), Reason: "it is a mongos: a move carries no sharded cluster", Fix: "name a replica set; a sharded cluster is moved with other tools"})
	}
	db.Counters, err = s.readCounters(ctx, names(f.databases))
	if errorCode(err) == mover.CodePrivilege {
		// A target needs none before a switch; a fence asks again.
		db.Settings["counters"], err = unreadable, nil
	}
	db.Writes = f.lineage.writesSince(db.Counters)
	return db, f, err
}

func (d database) info() mover.DatabaseInfo {
	info := mover.DatabaseInfo{Name: d.name, OnDisk: d.bytes}
	for _, c := range d.collections {
		if c.kind != kindView {
			info.Tables++
			info.Rows += c.documents
			info.Bytes += c.bytes
		}
	}
	return info
}

// privileges is who we are and what we may do.
type privileges struct {
	user  string
	roles []string
	root  bool
	// anywhere are the actions that we may do in every database, or on the
	// server itself.
	anywhere map[string]bool
}

func (s *server) privileges(ctx context.Context) (privileges, error) {
	var status struct {
		Info struct {
			Users []struct {
				User string `bson:"user"`
			} `bson:"authenticatedUsers"`
			Roles []struct {
				Role string `bson:"role"`
				DB   string `bson:"db"`
			} `bson:"authenticatedUserRoles"`
			Privileges []struct {
				Resource struct {
					DB         *string `bson:"db"`
					Collection *string `bson:"collection"`
					Cluster    bool    `bson:"cluster"`
					Any        bool    `bson:"anyResource"`
				} `bson:"resource"`
				Actions []string `bson:"actions"`
			} `bson:"authenticatedUserPrivileges"`
		} `bson:"authInfo"`
	}
	p := privileges{anywhere: map[string]bool{}}
	if err := s.command(ctx, "admin", bson.D{{Key: "connectionStatus", Value: 1}, {Key: "showPrivileges", Value: true}}, &status); err != nil {
		return p, err
	}
	for _, u := range status.Info.Users {
		p.user = u.User
	}
	for _, r := range status.Info.Roles {
		p.roles = append(p.roles, r.Role+"@"+r.DB)
		p.root = p.root || r.DB == "admin" && (r.Role == "root" || r.Role == "__system")
	}
	slices.Sort(p.roles)
	for _, one := range status.Info.Privileges {
		r := one.Resource
		anywhere := r.Any || r.Cluster || r.DB != nil && *r.DB == "" && r.Collection != nil && *r.Collection == ""
		for _, action := range one.Actions {
			p.anywhere[action] = p.anywhere[action] || anywhere
		}
	}
	return p, nil
}

// inspectRole reads who we are and what we may do.
func (s *server) inspectRole(ctx context.Context, db *mover.Database) error {
	p, err := s.privileges(ctx)
	if notAllowed(err) {
		db.Role.Name, db.Settings["privileges"] = s.endpoint.Username, unreadable
		return nil
	}
	if err != nil {
		return err
	}
	may := p.anywhere
	db.Role.Name, db.Role.MemberOf, db.Role.Superuser = p.user, p.roles, p.root
	db.Role.CreateDB = p.root || may["createCollection"] && may["createIndex"] && may["insert"] && may["dropDatabase"] && may["collMod"]
	db.Role.CreateRole = p.root || may["createUser"]
	return nil
}

// inspectSettings reads what a move depends on. What may not be read is said
// to be so; it is not left out.
func (s *server) inspectSettings(ctx context.Context, db *mover.Database) error {
	db.Settings["setName"] = s.hello.SetName
	db.Settings["writable"] = fmt.Sprint(s.hello.Primary)
	var err error
	if db.Settings["product"], err = s.product(ctx); err != nil {
		return err
	}
	if db.Settings[settingCompatibility], err = s.compatibility(ctx); err != nil {
		return err
	}
	var status struct {
		Engine struct {
			Name string `bson:"name"`
		} `bson:"storageEngine"`
	}
	err = s.command(ctx, "admin", bson.D{{Key: "serverStatus", Value: 1}, {Key: "repl", Value: 0}, {Key: "metrics", Value: 0}, {Key: "locks", Value: 0}}, &status)
	db.Settings["storageEngine"], err = orUnreadable(status.Engine.Name, err)
	return err
}

// orUnreadable gives a value, or says that it may not be read.
func orUnreadable(value string, err error) (string, error) {
	if notAllowed(err) {
		return unreadable, nil
	}
	return value, err
}

// product tells MongoDB from Amazon DocumentDB, which speaks its protocol and
// lacks much of it. DocumentDB has a name of its own for commands it does not
// know, and every MongoDB knows this one.
func (s *server) product(ctx context.Context) (string, error) {
	if slices.ContainsFunc(append(slices.Clone(s.endpoint.Hosts), append(s.hello.Hosts, s.hello.Me)...), amazonHost) {
		return productDocumentDB, nil
	}
	err := s.command(ctx, "admin", bson.D{{Key: "getCmdLineOpts", Value: 1}}, nil)
	if numberOf(err) == codeNotSupportedByAmazon {
		return productDocumentDB, nil
	}
	if notAllowed(err) {
		err = nil
	}
	return productMongoDB, err
}

// amazonHost knows the names DocumentDB's endpoints have, in every partition.
func amazonHost(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for _, suffix := range []string{".amazonaws.com", ".amazonaws.com.cn"} {
		if rest, ok := strings.CutSuffix(host, suffix); ok {
			return strings.Contains(rest+".", ".docdb.") || strings.Contains(rest+".", ".docdb-elastic.")
		}
	}
	return false
}

func (s *server) inspectSessions(ctx context.Context, db *mover.Database) error {
	others, err := s.operations(ctx, true)
	if err != nil {
		return err
	}
	counts := map[mover.SessionCount]int{}
	for _, o := range others {
		name, _, _ := strings.Cut(o.NS, ".")
		for _, u := range o.Users {
			counts[mover.SessionCount{Role: u.User, Database: name}]++
		}
	}
	for key, n := range counts {
		key.Count = n
		db.Sessions = append(db.Sessions, key)
	}
	slices.SortFunc(db.Sessions, func(a, b mover.SessionCount) int {
		return strings.Compare(a.Role+"\x00"+a.Database, b.Role+"\x00"+b.Database)
	})
	return nil
}
