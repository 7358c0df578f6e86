package postgres

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// readRecorded reads what recordWriter wrote, every line of it once, so that damage
// is known before anything rests on it. Facts are left where they are, and read
// again when they are asked for.
func readRecorded(r io.ReaderAt, size int64) (*recordedSource, error) {
	s, err := (&recordReader{file: r, in: bufio.NewReader(io.NewSectionReader(r, 0, size)), sections: map[sectionLine]span{}}).read()
	if err != nil {
		return nil, fmt.Errorf("read recorded source: %w", err)
	}
	return s, nil
}

// span is where the lines of a section are.
type span struct{ from, to int64 }

type recordReader struct {
	file     io.ReaderAt
	in       *bufio.Reader
	at       int64
	lines    int
	section  sectionLine
	sections map[sectionLine]span
}

func (r *recordReader) read() (*recordedSource, error) {
	var f formatLine
	if err := r.strict(&f); err != nil {
		return nil, err
	}
	if f.Format != recordedFormat {
		return nil, fmt.Errorf("its format is %d, and this version knows %d", f.Format, recordedFormat)
	}
	for {
		line, err := r.next()
		if err != nil {
			return nil, err
		}
		switch {
		case bytes.HasPrefix(line, []byte("[")):
			err = r.factLine(line)
		case bytes.HasPrefix(line, []byte(`{"source":`)):
			return r.last(line)
		default:
			err = r.begin(line)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", r.lines, err)
		}
	}
}

// next gives the next line. There is one: only the last ends it all.
func (r *recordReader) next() ([]byte, error) {
	line, err := readLine(r.in)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", r.lines+1, err)
	}
	r.at += int64(len(line)) + 1
	r.lines++
	return line, nil
}

func (r *recordReader) strict(into any) error {
	line, err := r.next()
	if err != nil {
		return err
	}
	return json.Unmarshal(line, into)
}

// begin begins a section.
func (r *recordReader) begin(line []byte) error {
	var s sectionLine
	if err := json.Unmarshal(line, &s); err != nil {
		return err
	}
	if _, twice := r.sections[s]; twice || s.Catalog == "" && s.Texts == "" {
		return errors.New("it begins no catalog, or one that was there already")
	}
	r.section = s
	r.sections[s] = span{r.at, r.at}
	return nil
}

func (r *recordReader) factLine(line []byte) error {
	at, ok := r.sections[r.section]
	if !ok {
		return errors.New("it belongs to no catalog")
	}
	want := 4
	if r.section.Texts != "" {
		want = 3
	}
	if _, err := readTexts(line, want); err != nil {
		return err
	}
	at.to = r.at
	r.sections[r.section] = at
	return nil
}

// readTexts reads a line that is a list of so many texts.
func readTexts(line []byte, want int) ([]text, error) {
	var list []text
	if err := json.Unmarshal(line, &list); err != nil {
		return nil, err
	}
	if len(list) != want {
		return nil, fmt.Errorf("it has %d texts, and not %d", len(list), want)
	}
	return list, nil
}

// last reads the last line, and looks whether all is there.
func (r *recordReader) last(line []byte) (*recordedSource, error) {
	s := &recordedSource{}
	last := lastLine{Source: object{s}}
	if err := json.Unmarshal(line, &last); err != nil {
		return nil, fmt.Errorf("line %d: %w", r.lines, err)
	}
	if last.Lines != r.lines-1 {
		return nil, fmt.Errorf("it has %d lines before the last, and should have %d", r.lines-1, last.Lines)
	}
	if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something behind the last line")
	}
	for i := range s.databases {
		d := &s.databases[i]
		d.facts = recordedFacts{file: r.file, database: d.database.name, sections: r.sections}
		for _, c := range recordedCatalogs() {
			if _, ok := r.sections[sectionLine{Database: text(d.database.name), Catalog: c.kind}]; !ok {
				return nil, fmt.Errorf("database %q has no catalog of kind %q", d.database.name, c.kind)
			}
		}
	}
	return s, nil
}

// readLine reads a line of bounded length, without its end.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > longestLine:
			return nil, fmt.Errorf("it is longer than %d bytes", longestLine)
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

// recordedFacts are a database's facts in a file.
type recordedFacts struct {
	file     io.ReaderAt
	database string
	sections map[sectionLine]span
}

func (r recordedFacts) open(s sectionLine) *recordedLines {
	s.Database = text(r.database)
	at := r.sections[s]
	return &recordedLines{in: bufio.NewReader(io.NewSectionReader(r.file, at.from, at.to-at.from)), left: at.to - at.from}
}

func (r recordedFacts) facts(_ context.Context, c catalog) (factStream, error) {
	return r.open(sectionLine{Catalog: c.kind}), nil
}

func (r recordedFacts) relative(_ context.Context, c catalog, of []string) (textsByFact, error) {
	wanted := map[string]bool{}
	for _, key := range of {
		wanted[key] = true
	}
	found := textsByFact{}
	for lines := r.open(sectionLine{Texts: c.kind}); len(found) < len(wanted); {
		t, err := lines.texts(3)
		if err != nil {
			return nil, fmt.Errorf("read the texts of each %s: %w", c.kind, err)
		}
		if t == nil {
			break
		}
		if wanted[string(t[0])] {
			found[string(t[0])] = relativeText{schema: string(t[1]), text: string(t[2])}
		}
	}
	return found, nil
}

// recordedLines are the lines of a section.
type recordedLines struct {
	in   *bufio.Reader
	left int64
}

func (l *recordedLines) texts(n int) ([]text, error) {
	if l.left == 0 {
		return nil, nil
	}
	line, err := readLine(l.in)
	if err != nil {
		return nil, err
	}
	l.left -= int64(len(line)) + 1
	return readTexts(line, n)
}

func (l *recordedLines) next() (*fact, error) {
	t, err := l.texts(4)
	if t == nil || err != nil {
		return nil, err
	}
	return &fact{object: string(t[0]), what: string(t[1]), value: string(t[2]), of: string(t[3])}, nil
}

func (l *recordedLines) close() {}

// A source that was read back is an origin as a live one is.

func (s *recordedSource) side(context.Context) (sideFacts, error) {
	f := sideFacts{globals: s.globals, public: map[string]publicSchema{}}
	for _, d := range s.databases {
		f.databases = append(f.databases, d.database)
		f.left = append(f.left, d.left...)
		if d.public != nil {
			f.public[d.database.name] = *d.public
		}
	}
	slices.Sort(f.left)
	return f, nil
}

func (s *recordedSource) record(_ context.Context, _ side, d database) (*recordedDatabase, error) {
	for i := range s.databases {
		if s.databases[i].database.name == d.name {
			return &s.databases[i], nil
		}
	}
	return nil, fmt.Errorf("database %q was not recorded", d.name)
}

func (s *recordedSource) felt(ctx context.Context, name string) (map[string]string, error) {
	known, err := s.record(ctx, side{}, database{name: name})
	if err != nil {
		return nil, err
	}
	return known.felt, nil
}
