package drift

import "strings"

// Source is where a model comes from.
type Source string

const (
	SDK       Source = "aws-sdk-go-v2"
	Botocore  Source = "botocore"
	Reference Source = "service reference" // service authorization reference, as npm iam-data has it
)

// Model is one service as one source describes it. A source knows a part: the reference has actions and condition keys, the
// other two have calls with their fields, enums and errors.
type Model struct {
	Source  Source
	Service string // prefix of its actions: "kms"
	Calls   map[string]Call
	Enums   map[string][]string // values by the name of the enum
	Errors  []string            // codes of every error of the service
	Keys    map[string]string   // type by condition key, as the reference writes both

	Mentions []string // actions and condition keys that the source's documentation names
}

// Call is an operation, or the action that allows it.
type Call struct {
	Request  []Field
	Response []Field
	Errors   []string // codes that it may answer; only botocore says so
	Reads    bool     // it changes nothing; only the reference says so
	Keys     []string // condition keys that a request for it may have; only the reference says so
}

// Field is a member of a request or response, however deep.
type Field struct {
	Path  string // "KeyMetadata.KeyState"; elements of lists and maps are not in it
	Owner string // type that it is a member of, as the source names it
	Enum  string // its type, where that is an enum
}

// Name is the last part of the path.
func (f Field) Name() string { return f.Path[strings.LastIndexByte(f.Path, '.')+1:] }

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
