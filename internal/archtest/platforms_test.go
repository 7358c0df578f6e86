package archtest

import (
	"strconv"
	"strings"
	"testing"
)

// A release has binaries for macOS too, and no test compiles one: that takes
// minutes. What only Linux has comes with golang.org/x/sys/unix, and belongs
// into a file that only Linux compiles.
func TestOnlyLinuxFilesUseWhatOnlyLinuxHas(t *testing.T) {
	linux := 0
	for _, s := range sources(t) {
		for _, imported := range s.file.Imports {
			path, err := strconv.Unquote(imported.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case path != "golang.org/x/sys/unix" || s.test:
			case strings.HasSuffix(s.name, "_linux.go"):
				linux++
			default:
				t.Errorf("%s imports %s: put what needs it into a file whose name ends in _linux.go, with another for all else", s.name, path)
			}
		}
	}
	if linux == 0 {
		t.Error("no file was found that does")
	}
}
