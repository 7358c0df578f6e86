package postgres

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// A recorded source is written as JSON lines: a catalog may be longer than memory,
// and can be looked at with any tool. The first line tells the format. A line that
// names a database and one of its catalogs is followed by that catalog's facts, a
// list of four texts each (object, what, value, of), sorted as they are compared;
// one that names texts, by their relative texts. The last line is everything else,
// because where sequences stand is known last, and how many lines there are before
// it: a file that was cut off has none.

// recordedFormat is the format's number. Another one is what changes a line, the
// set of catalogs, or what one of their queries says.
const recordedFormat = 1

// longestLine is the longest line that is written or read: a fact is in memory while
// it is compared.
const longestLine = 256 << 20

// recordedSource is everything that was recorded of a server.
type recordedSource struct {
	version   int
	globals   globals
	databases []recordedDatabase
}

type formatLine struct {
	Format int `json:"format"`
}

// sectionLine begins the facts of a catalog, or its relative texts.
type sectionLine struct {
	Database text   `json:"database"`
	Catalog  string `json:"catalog,omitempty"`
	Texts    string `json:"texts,omitempty"`
}

type lastLine struct {
	Source object `json:"source"`
	Lines  int    `json:"lines"`
}

// recordedCatalogs are all that is recorded of a database: what is compared, and
// what is carried beside.
func recordedCatalogs() []catalog { return append([]catalog{objectComments}, catalogs...) }

// recordWriter writes a recorded source.
type recordWriter struct {
	out   *bufio.Writer
	lines int
}

func newRecordWriter(out io.Writer) (*recordWriter, error) {
	w := &recordWriter{out: bufio.NewWriter(out)}
	return w, w.line(formatLine{recordedFormat})
}

func (w *recordWriter) line(value any) error {
	raw, err := json.Marshal(value)
	if err == nil && len(raw) >= longestLine {
		err = fmt.Errorf("a line of %d bytes is longer than can be read again", len(raw))
	}
	if err == nil {
		_, err = w.out.Write(append(raw, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write recorded source: %w", err)
	}
	w.lines++
	return nil
}

// database writes the catalogs of a database, while its session is in the snapshot.
func (w *recordWriter) database(ctx context.Context, r *recordedDatabase) error {
	for _, c := range recordedCatalogs() {
		if err := w.catalog(ctx, r, c); err != nil {
			return fmt.Errorf("record database %q: %w", r.database.name, err)
		}
	}
	return nil
}

func (w *recordWriter) catalog(ctx context.Context, r *recordedDatabase, c catalog) error {
	facts, err := r.facts.facts(ctx, c)
	if err != nil {
		return err
	}
	defer facts.close()
	if err := w.line(sectionLine{Database: text(r.database.name), Catalog: c.kind}); err != nil {
		return err
	}
	_, relative := c.relativeReading()
	var of []string
	for {
		f, err := facts.next()
		if err != nil {
			return err
		}
		if f == nil {
			break
		}
		if err := w.line([]text{text(f.object), text(f.what), text(f.value), text(f.of)}); err != nil {
			return fmt.Errorf("%s %s: %w", c.kind, f.object, err)
		}
		if relative && f.what == "definition" {
			of = append(of, f.of)
		}
	}
	if !relative {
		return nil
	}
	return w.texts(ctx, r, c, of)
}

// textBatch is how many relative texts are held at a time.
const textBatch = 1000

func (w *recordWriter) texts(ctx context.Context, r *recordedDatabase, c catalog, of []string) error {
	if err := w.line(sectionLine{Database: text(r.database.name), Texts: c.kind}); err != nil {
		return err
	}
	for start := 0; start < len(of); start += textBatch {
		some := of[start:min(start+textBatch, len(of))]
		found, err := r.facts.relative(ctx, c, some)
		if err != nil {
			return err
		}
		for _, key := range some {
			t, ok := found[key]
			if !ok {
				return fmt.Errorf("print %s %s: it is not there any more", c.kind, key)
			}
			if err := w.line([]text{text(key), text(t.schema), text(t.text)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish writes everything else.
func (w *recordWriter) finish(s *recordedSource) error {
	if err := w.line(lastLine{object{s}, w.lines}); err != nil {
		return err
	}
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("write recorded source: %w", err)
	}
	return nil
}
