package writes

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Entry is one numbered row: in the table, or confirmed in the ledger.
type Entry struct {
	N      int64     `json:"n"`
	Writer string    `json:"writer"`
	At     time.Time `json:"at"`
	Host   string    `json:"host"`
}

// Ledger is the frontend's own record of what was confirmed to it, a line per
// row, kept outside the database so that the database can be judged by it.
type Ledger struct {
	file *os.File
}

// OpenLedger opens or makes the ledger at path and returns what is in it.
func OpenLedger(path string) (*Ledger, []Entry, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, nil, fmt.Errorf("open ledger: %w", err)
	}
	entries, err := ReadLedger(file)
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return &Ledger{file: file}, entries, nil
}

// Add appends an entry in one write, which a killed process leaves whole.
func (l *Ledger) Add(e Entry) error {
	line := fmt.Sprintf("%d %s %s %s\n", e.N, e.Writer, e.At.UTC().Format(time.RFC3339Nano), e.Host)
	if _, err := l.file.WriteString(line); err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	return nil
}

// Close closes the file.
func (l *Ledger) Close() error { return l.file.Close() }

// ReadLedger reads what Add wrote.
func ReadLedger(r io.Reader) ([]Entry, error) {
	var entries []Entry
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var (
			e  Entry
			at string
		)
		if _, err := fmt.Sscanf(lines.Text(), "%d %s %s %s", &e.N, &e.Writer, &at, &e.Host); err != nil {
			return nil, fmt.Errorf("read ledger line %d: %w", len(entries)+1, err)
		}
		t, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			return nil, fmt.Errorf("read ledger line %d: %w", len(entries)+1, err)
		}
		e.At = t
		entries = append(entries, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	return entries, nil
}
