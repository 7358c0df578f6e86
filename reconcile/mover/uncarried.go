package mover

// UncarriedKind says why something stays where it is when a server's data move.
type UncarriedKind string

// What a move leaves behind. None of it stands in the way of a copy.
const (
	UncarriedPrivilege UncarriedKind = "left-privilege"        // on an object of an extension or of the server
	UncarriedOnMember  UncarriedKind = "left-on-extension"     // somebody put it on a table of an extension
	UncarriedInSystem  UncarriedKind = "left-in-system-schema" // somebody made it in pg_catalog or information_schema
	UncarriedChanged   UncarriedKind = "left-system-change"    // somebody changed what initdb made
	UncarriedTemplate  UncarriedKind = "left-template"         // it is in template1
	UncarriedPlace     UncarriedKind = "left-tablespace"       // it lies in a tablespace
	UncarriedServer    UncarriedKind = "left-server-object"    // it is the server's, not a database's
	UncarriedRole      UncarriedKind = "role-kept"             // the target has a role of that name
	UncarriedUnread    UncarriedKind = "left-unread"           // whether there is something could not be found out
	UncarriedGenerated UncarriedKind = "generated-unchecked"   // whether stored values are still what their expression gives could not be found out
)

// Uncarried is something that a move neither carries nor compares.
type Uncarried struct {
	Kind     UncarriedKind `json:"kind"`
	Database string        `json:"database,omitempty"`
	Object   string        `json:"object"`
	// Detail says what about the object it is.
	Detail string `json:"detail,omitempty"`
	// Superuser tells that a target where our role is a superuser gets it.
	Superuser bool `json:"superuser,omitempty"`
}
