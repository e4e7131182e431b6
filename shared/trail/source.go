package trail

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"golang.org/x/text/encoding/unicode"
)

// ErrForeign is the reason for a Record whose file is no export of CloudTrail at all: a text of another kind, or nothing.
var ErrForeign = errors.New("is no export of CloudTrail")

// foreign is a reason with words of its own that is ErrForeign as well.
type foreign struct{ reason string }

func (f foreign) Error() string        { return f.reason }
func (f foreign) Is(target error) bool { return target == ErrForeign }

// maxUnzip is how often one input is unzipped: downloads of files that were zipped already are zipped twice.
const maxUnzip = 3

// packed are forms that events may be in and that are not read here, by how they begin and at which byte.
var packed = []struct {
	at    int
	magic string
	what  string
}{
	{0, "PAR1", "a Parquet file; export it as JSON, as UNLOAD of Athena does WITH (format = 'JSON')"},
	{0, "ORC", "an ORC file; export it as JSON, as UNLOAD of Athena does WITH (format = 'JSON')"},
	{0, "Obj\x01", "an Avro file; export it as JSON, as UNLOAD of Athena does WITH (format = 'JSON')"},
	{0, "PK\x03\x04", "a zip archive; unpack it and name the files"},
	{0, "\x28\xb5\x2f\xfd", "compressed with zstd; unpack it with zstd -d"},
	{0, "BZh", "compressed with bzip2; unpack it with bunzip2"},
	{0, "\xfd7zXZ", "compressed with xz; unpack it with xz -d"},
	{0, "\xff\x06\x00\x00sNaPpY", "compressed with Snappy; unpack it"},
	{0, "7z\xbc\xaf", "a 7z archive; unpack it and name the files"},
	{257, "ustar", "a tar archive; unpack it and name the folder"},
}

// plainText finds the text in an input: unzipped, and as UTF-8.
func plainText(r io.Reader) (io.Reader, error) {
	in := bufio.NewReaderSize(r, 4<<10)
	for range maxUnzip {
		if magic, _ := in.Peek(2); !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
			break
		}
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("open gzip: %w", err)
		}
		in = bufio.NewReaderSize(unzipped, 4<<10)
	}
	head, _ := in.Peek(512)
	for _, p := range packed {
		if len(head) > p.at && bytes.HasPrefix(head[p.at:], []byte(p.magic)) {
			return nil, errors.New("is " + p.what)
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Reader(in), nil
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewDecoder().Reader(in), nil
	case len(head) > 1 && head[0] != 0 && head[1] == 0: // no text has the character 0
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewDecoder().Reader(in), nil
	case len(head) > 1 && head[0] == 0 && head[1] != 0:
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM).NewDecoder().Reader(in), nil
	}
	return in, nil
}
