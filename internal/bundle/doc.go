// Package bundle writes an archive that is handed to somebody else. It knows
// secrets only to keep them out, and what is put in only as text or JSON; it
// must not know where either comes from.
package bundle
