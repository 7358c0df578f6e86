package postgres

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// entry is one object of a pg_dump archive: the SQL that makes it, whose it
// is, and where it comes from. pg_dump sorts entries so that each follows
// what it needs.
type entry struct {
	catalog uint32 // OID of the catalog the object lives in, 0 if none
	oid     uint32
	tag     string
	desc    string // what it is: TABLE, INDEX …
	section int
	sql     string
	drop    string
	schema  string
	access  string // table access method
	owner   string
	joined  *joined // what keepColumnOrder knows of a table that joined its parents
}

// key is the object in its server's catalogs.
func (e entry) key() [2]uint32 { return [2]uint32{e.catalog, e.oid} }

// The archive's sections, as pg_dump numbers them.
const (
	sectionPre  = 2
	sectionPost = 4
)

// readArchive reads the table of contents of a pg_dump archive in the custom
// format. We run its SQL ourselves instead of calling pg_restore: that is how
// owners can be renamed, indexes started as soon as their table is filled,
// and a failing statement named.
func readArchive(r io.Reader) ([]entry, error) {
	a := &archive{r: bufio.NewReader(r)}
	entries := a.read()
	if a.err != nil {
		return nil, fmt.Errorf("read pg_dump archive: %w", noEOF(a.err))
	}
	return entries, nil
}

// archive is a cursor on the format; the first error sticks.
type archive struct {
	r       *bufio.Reader
	err     error
	version int // such as 114 for 1.14
	intSize int
	offSize int
}

func (a *archive) read() []entry {
	a.header()
	count := a.int()
	if a.err != nil {
		return nil
	}
	if count < 0 || count > 10_000_000 {
		a.err = fmt.Errorf("%d entries", count)
		return nil
	}
	var entries []entry
	for i := 0; i < count && a.err == nil; i++ {
		entries = append(entries, a.entry())
	}
	return entries
}

func (a *archive) header() {
	if magic := a.bytes(5); string(magic) != "PGDMP" {
		a.setErr(errors.New("it does not start with PGDMP"))
		return
	}
	major, minor := a.byte(), a.byte()
	a.byte() // revision
	a.version = int(major)*100 + int(minor)
	a.intSize, a.offSize = int(a.byte()), int(a.byte())
	if format := a.byte(); a.err == nil && format != 1 {
		a.setErr(fmt.Errorf("format %d is not the custom one", format))
	}
	if a.version < 114 || a.version > 116 {
		a.setErr(fmt.Errorf("version %d.%d is none we know (1.14 to 1.16)", a.version/100, a.version%100))
	}
	if a.intSize < 1 || a.intSize > 8 || a.offSize > 8 {
		a.setErr(fmt.Errorf("integer size %d", a.intSize))
		return
	}
	if a.version >= 115 {
		a.byte() // compression algorithm
	} else {
		a.int() // compression level
	}
	for range 7 { // time of the dump
		a.int()
	}
	a.str() // database
	a.str() // server version
	a.str() // pg_dump version
}

func (a *archive) entry() entry {
	var e entry
	a.int() // dump id
	a.int() // has data
	e.catalog, e.oid = a.oid(), a.oid()
	e.tag, e.desc = a.str(), a.str()
	e.section = a.int()
	e.sql, e.drop = a.str(), a.str()
	a.str() // COPY statement
	e.schema = a.str()
	a.str() // tablespace
	e.access = a.str()
	if a.version >= 116 {
		a.int() // relkind
	}
	e.owner = a.str()
	a.str() // WITH OIDS
	for a.err == nil {
		if _, ok := a.optional(); !ok {
			break
		}
	}
	a.bytes(1 + a.offSize) // where its data is
	return e
}

// identity is how ALTER names the object, taken from its DROP statement;
// empty when it has none of its own.
func (e entry) identity() string {
	s, ok := strings.CutPrefix(e.drop, "DROP ")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(strings.TrimRight(s, " \n"), ";")
}

// ownable are the entries whose owner pg_dump leaves to the restorer.
var ownable = map[string]bool{
	"AGGREGATE": true, "COLLATION": true, "CONVERSION": true, "DOMAIN": true, "EVENT TRIGGER": true,
	"FOREIGN DATA WRAPPER": true, "FOREIGN TABLE": true, "FUNCTION": true, "MATERIALIZED VIEW": true, "OPERATOR": true,
	"OPERATOR CLASS": true, "OPERATOR FAMILY": true, "PROCEDURAL LANGUAGE": true, "PROCEDURE": true, "PUBLICATION": true,
	"SCHEMA": true, "SEQUENCE": true, "SERVER": true, "STATISTICS": true, "TABLE": true, "TEXT SEARCH CONFIGURATION": true,
	"TEXT SEARCH DICTIONARY": true, "TYPE": true, "VIEW": true,
}

func (a *archive) setErr(err error) {
	if a.err == nil {
		a.err = err
	}
}

func (a *archive) bytes(n int) []byte {
	if a.err != nil {
		return make([]byte, min(n, 16))
	}
	buf := make([]byte, n)
	_, a.err = io.ReadFull(a.r, buf)
	return buf
}

func (a *archive) byte() byte { return a.bytes(1)[0] }

func (a *archive) int() int {
	sign := a.byte()
	n := 0
	for i, b := range a.bytes(a.intSize) {
		n |= int(b) << (8 * i)
	}
	if sign != 0 {
		return -n
	}
	return n
}

func (a *archive) optional() (string, bool) {
	n := a.int()
	if a.err != nil || n < 0 {
		return "", false
	}
	if n > 1<<30 {
		a.setErr(fmt.Errorf("a string of %d bytes", n))
		return "", false
	}
	return string(a.bytes(n)), true
}

func (a *archive) str() string {
	s, _ := a.optional()
	return s
}

func (a *archive) oid() uint32 {
	var n uint32
	s := a.str()
	if _, err := fmt.Sscan(s, &n); err != nil && a.err == nil {
		a.setErr(fmt.Errorf("object id %q: %w", s, err))
	}
	return n
}
