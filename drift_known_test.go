package doublelock_test

import (
	"encoding/json"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/drift"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
	"github.com/doublelock/doublelock/shared/policy"
)

// watchedServices are those whose drift can make our answers wrong.
var watchedServices = []string{"kms", "secretsmanager"}

// knownOf is what the shipped code knows of the services, read from the code itself. The SDK's models say what the fields
// are called by whom.
func knownOf(t *testing.T, sdk []drift.Model) drift.Known {
	t.Helper()
	u := usesOfSDK(t)
	known := drift.Known{
		Codes: constants(t, "shared/cloud/internal/session", "meanings"),
		Lost:  constants(t, "shared/trail", "deniedReadCodes"),
		Multi: multivaluedKeys(),
		Named: namedInCode(t),
		Locks: []string{readSecret, "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"},
	}
	known.Events, known.Reads = decidedEvents(t)
	for _, m := range sdk {
		for name, call := range m.Calls {
			action := m.Service + ":" + name
			direct, paged := u.made[action], u.paged[action]
			if !direct && !paged {
				continue
			}
			known.Made = append(known.Made, action)
			for _, f := range call.Response {
				if u.read[m.Service+"."+f.Owner+"."+f.Name()] || paged && !direct && pages[f.Path] {
					known.Fields = append(known.Fields, action+"."+f.Path)
				}
			}
			for _, f := range call.Request {
				if u.set[m.Service+"."+f.Owner+"."+f.Name()] || paged && !direct && pages[f.Path] {
					known.Params = append(known.Params, action+"("+f.Path+")")
				}
			}
		}
	}
	known.Values = slices.Sorted(maps.Keys(u.looked))
	known.Absent = takenForAbsent(t)
	for what, list := range map[string][]string{"calls": known.Made, "events": known.Events, "error codes": known.Codes, "names": known.Named,
		"fields": known.Fields, "parameters": known.Params, "values": known.Values, "lost reads": known.Lost, "reads": known.Reads, "multivalued keys": known.Multi} {
		if len(list) < 3 {
			t.Fatalf("%d %s are known to the code: this test looks in the wrong place", len(list), what)
		}
	}
	return known
}

// pages are the members that a paginator of the SDK reads and sets by itself.
var pages = map[string]bool{"NextToken": true, "Marker": true, "NextMarker": true, "Truncated": true}

// sdkUses is what the code does with the SDK's calls and types; fields are "service.Type.Field".
type sdkUses struct {
	made, paged map[string]bool // "service:Operation"
	read, set   map[string]bool
	looked      map[string]bool // "service:Enum=value": a case or a comparison
}

func usesOfSDK(t *testing.T) sdkUses {
	t.Helper()
	u := sdkUses{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	reached(t, func(s shipped, f *ast.FuncDecl) {
		written := map[*ast.SelectorExpr]bool{}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					if selector, isSelector := left.(*ast.SelectorExpr); isSelector {
						written[selector] = true
					}
				}
			case *ast.Ident:
				if called, isFunction := s.info.Uses[n].(*types.Func); isFunction {
					if service, operation, paged := operationOf(called); paged {
						u.paged[service+":"+operation] = true
					} else if operation != "" {
						u.made[service+":"+operation] = true
					}
				}
			case *ast.CompositeLit:
				for _, e := range n.Elts {
					if pair, isPair := e.(*ast.KeyValueExpr); isPair {
						if name, isName := pair.Key.(*ast.Ident); isName {
							u.set[sdkType(s.info.TypeOf(n))+"."+name.Name] = true
						}
					}
				}
			case *ast.SelectorExpr:
				if selection := s.info.Selections[n]; selection != nil && selection.Kind() == types.FieldVal {
					field := sdkType(selection.Recv()) + "." + n.Sel.Name
					if written[n] {
						u.set[field] = true
					} else {
						u.read[field] = true
					}
				}
			}
			return true
		})
	})
	u.looked = lookedValues(t)
	return u
}

var shapesPackage = regexp.MustCompile(`^github\.com/aws/aws-sdk-go-v2/service/(\w+)(/types)?\.(\w+)$`)

// sdkType is a type of the SDK as "service.Type"; "" for others.
func sdkType(of types.Type) string {
	if found := shapesPackage.FindStringSubmatch(typeName(of)); found != nil {
		return found[1] + "." + found[3]
	}
	return ""
}

// lookedValues are the values of enums that the code compares something of that enum with: the enum itself, a type of ours
// that it is converted to, or a field of ours that its text is put into.
func lookedValues(t *testing.T) map[string]bool {
	t.Helper()
	carriers := map[string][]string{} // enums by what carries them: a type, or type and field
	carry := func(s shipped, value ast.Expr, field string) {
		call, isCall := value.(*ast.CallExpr)
		if !isCall || len(call.Args) != 1 || !s.info.Types[call.Fun].IsType() {
			return
		}
		enum := sdkType(s.info.TypeOf(call.Args[0]))
		if ours := typeName(s.info.TypeOf(call)); ours != "" {
			field = ours
		}
		if enum != "" && field != "" {
			carriers[field] = append(carriers[field], enum)
		}
	}
	eachNode(t, func(s shipped, n ast.Node) {
		switch n := n.(type) {
		case *ast.CompositeLit:
			for _, e := range n.Elts {
				if pair, isPair := e.(*ast.KeyValueExpr); isPair {
					if name, isName := pair.Key.(*ast.Ident); isName {
						carry(s, pair.Value, typeName(s.info.TypeOf(n))+"."+name.Name)
					}
				}
			}
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if len(n.Lhs) == len(n.Rhs) {
					carry(s, n.Rhs[i], fieldName(s, left))
				}
			}
		}
	})
	looked := map[string]bool{}
	look := func(s shipped, at ast.Expr, with ...ast.Expr) {
		enums := carriers[fieldName(s, at)]
		if enum := sdkType(s.info.TypeOf(at)); enum != "" {
			enums = append(slices.Clip(enums), enum)
		}
		enums = append(slices.Clip(enums), carriers[typeName(s.info.TypeOf(at))]...)
		for _, e := range with {
			if value := s.info.Types[e].Value; value != nil && value.Kind() == constant.String {
				for _, enum := range enums {
					service, name, _ := strings.Cut(enum, ".")
					looked[service+":"+name+"="+constant.StringVal(value)] = true
				}
			}
		}
	}
	eachNode(t, func(s shipped, n ast.Node) {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if n.Op == token.EQL || n.Op == token.NEQ {
				look(s, n.X, n.Y)
				look(s, n.Y, n.X)
			}
		case *ast.SwitchStmt:
			for _, c := range n.Body.List {
				if n.Tag != nil {
					look(s, n.Tag, c.(*ast.CaseClause).List...)
				}
			}
		}
	})
	return looked
}

func eachNode(t *testing.T, yield func(shipped, ast.Node)) {
	t.Helper()
	reached(t, func(s shipped, f *ast.FuncDecl) {
		ast.Inspect(f, func(n ast.Node) bool {
			yield(s, n)
			return true
		})
	})
}

// fieldName is the field that a selector is about, as "path.Type.Field"; "" for other expressions.
func fieldName(s shipped, e ast.Expr) string {
	selector, isSelector := e.(*ast.SelectorExpr)
	if !isSelector {
		return ""
	}
	if selection := s.info.Selections[selector]; selection != nil && selection.Kind() == types.FieldVal {
		return typeName(selection.Recv()) + "." + selector.Sel.Name
	}
	return ""
}

// variable is what a variable of a package is set to where it is declared.
func variable(t *testing.T, room, name string) (shipped, ast.Expr) {
	t.Helper()
	for _, s := range shippedCode(t) {
		for _, parsed := range s.files {
			for _, declaration := range parsed.Decls {
				group, isGroup := declaration.(*ast.GenDecl)
				if s.path != room || !isGroup {
					continue
				}
				for _, spec := range group.Specs {
					if v, isVariable := spec.(*ast.ValueSpec); isVariable && len(v.Values) == 1 && v.Names[0].Name == name {
						return s, v.Values[0]
					}
				}
			}
		}
	}
	t.Fatalf("%s has no variable %s any more: this test looks in the wrong place", room, name)
	return shipped{}, nil
}

// constants are the texts of a list, or the keys of a map, that a variable is set to.
func constants(t *testing.T, room, name string) []string {
	t.Helper()
	s, value := variable(t, room, name)
	var out []string
	for _, e := range value.(*ast.CompositeLit).Elts {
		if pair, isPair := e.(*ast.KeyValueExpr); isPair {
			e = pair.Key
		}
		if text := s.info.Types[e].Value; text != nil {
			out = append(out, constant.StringVal(text))
		}
	}
	return out
}

// decidedEvents are the calls and service events in the table of shared/trail, and those of them that are reads whose
// refusal counts.
func decidedEvents(t *testing.T) (all, reads []string) {
	t.Helper()
	s, value := variable(t, "shared/trail", "calls")
	for _, e := range value.(*ast.CompositeLit).Elts {
		row := e.(*ast.CompositeLit).Elts
		service, name := constant.StringVal(s.info.Types[row[0]].Value), constant.StringVal(s.info.Types[row[1]].Value)
		if slices.Contains(watchedServices, service) {
			all = append(all, service+":"+name)
			if row[4].(*ast.Ident).Name == "failedRead" {
				reads = append(reads, service+":"+name)
			}
		}
	}
	return all, reads
}

// inCode finds actions and condition keys of the services in a text. What follows a colon is a part of an ARN.
var inCode = regexp.MustCompile(`(?i)(?:^|[^:\w])((?:kms|secretsmanager):[a-z*][\w*/:-]*)`)

// namedInCode lists the actions and condition keys that stand in texts of the shipped code.
func namedInCode(t *testing.T) []string {
	t.Helper()
	names := map[string]bool{}
	for _, s := range shippedCode(t) {
		if s.path == "shared/drift" {
			continue // whose comments and advice have examples
		}
		for _, parsed := range s.files {
			ast.Inspect(parsed, func(n ast.Node) bool {
				if text, isText := n.(*ast.BasicLit); isText && text.Kind == token.STRING {
					for _, found := range inCode.FindAllStringSubmatch(text.Value, -1) {
						names[found[1]] = true
					}
				}
				return true
			})
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// multivaluedKeys are the declared condition keys that take many values.
func multivaluedKeys() []string {
	var out []string
	for _, key := range policy.DeclaredKeys() {
		if policy.Multivalued(key) {
			out = append(out, strings.ToLower(key))
		}
	}
	return out
}

const readSecret = "secretsmanager:GetSecretValue"

// takenForAbsent asks the inventory, about a secret and key of which every fact is known, whether a policy that allows
// where a condition key is absent certainly allows; and the review of keys, whether one that allows everybody where it is
// there certainly lets nobody in.
func takenForAbsent(t *testing.T) func(action, key string) bool {
	t.Helper()
	const (
		account = "111122223333"
		reader  = "arn:aws:iam::" + account + ":role/reader"
		secret  = "arn:aws:secretsmanager:eu-central-1:" + account + ":secret:app-AbCdEf"
	)
	placeholders := strings.NewReplacer("${TagKey}", "team", "tag-key", "team", "${EncryptionContextKey}", "SecretARN")
	allow := func(action, condition string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + reader + `"},"Action":"` + action + `","Resource":"*"` + condition + `}]}`
	}
	ask := func(action, condition string) policy.Answer {
		key := guard.Key{ARN: "arn:aws:kms:eu-central-1:" + account + ":key/11111111-2222-3333-4444-555555555555", ID: "11111111-2222-3333-4444-555555555555",
			Account: account, Region: "eu-central-1", Manager: guard.ManagerCustomer, State: guard.KeyEnabled, MultiRegion: true, Origin: "AWS_KMS",
			Spec: "SYMMETRIC_DEFAULT", Usage: "ENCRYPT_DECRYPT", Aliases: []string{"alias/app"}, Tags: map[string]string{"team": "app"}}
		facts := guard.Secret{ARN: secret, Name: "app", Account: account, Region: "eu-central-1", KeyID: key.ARN, Key: key, PrimaryRegion: "eu-west-1",
			RotationEnabled: true, RotationLambdaARN: "arn:aws:lambda:eu-central-1:" + account + ":function:rotate", Tags: map[string]string{"team": "app"},
			Versions: []guard.Version{{ID: "11111111-2222-3333-4444-555555555556", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{key}}}}
		policyOf := map[bool]string{true: allow(action, condition), false: allow("*", "")}
		k := inventory.Key{Facts: key, Policy: policyOf[strings.HasPrefix(action, "kms:")]}
		access := inventory.Prepare(inventory.Snapshot{Version: inventory.Version, Accounts: []inventory.Account{{ID: account, Regions: []string{"eu-central-1"}}},
			Principals: []inventory.Principal{{ARN: reader, Kind: inventory.Role, Account: account}}, Keys: []inventory.Key{k},
			Secrets: []inventory.Secret{{Facts: facts, Policy: policyOf[action == readSecret]}}})
		if action == readSecret {
			r, err := access.Explain(reader, secret)
			if err != nil {
				t.Fatal(err)
			}
			return r.SecretLock.Answer
		}
		d, err := access.AllowsWith(reader, secret, k, action)
		if err != nil {
			t.Fatal(err)
		}
		return d.Answer
	}
	null := func(key, value string) string {
		quoted, _ := json.Marshal(key) // a text always has JSON
		return `,"Condition":{"Null":{` + string(quoted) + `:"` + value + `"}}`
	}
	if !opensKey("") || opensKey(null("aws:PrincipalServiceName", "false")) {
		t.Fatal("the review of keys does not turn on a condition key: this test looks in the wrong place")
	}
	for action, key := range map[string]string{readSecret: "secretsmanager:SecretId", "kms:Decrypt": "kms:ViaService"} {
		if ask(action, "") != policy.Allowed || ask(action, null(key, "false")) != policy.Allowed || ask(action, null(key, "true")) == policy.Allowed {
			t.Fatalf("%s: %s is not taken for present: this test looks in the wrong place", action, key)
		}
	}
	return func(action, key string) bool {
		key = placeholders.Replace(key)
		return ask(action, null(key, "true")) == policy.Allowed || action == "kms:Decrypt" && !opensKey(null(key, "false"))
	}
}

// opensKey asks the review of keys whether it finds that people of any account may use a multi-Region key, which everybody may under a
// condition.
func opensKey(condition string) bool {
	const account = "111122223333"
	key := guard.Key{ARN: "arn:aws:kms:eu-central-1:" + account + ":key/mrk-1", ID: "mrk-1", Account: account, Region: "eu-central-1", Manager: guard.ManagerCustomer,
		State: guard.KeyEnabled, MultiRegion: true, Origin: "AWS_KMS", Spec: "SYMMETRIC_DEFAULT", Usage: "ENCRYPT_DECRYPT", Aliases: []string{"alias/app"}}
	open := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:Decrypt","Resource":"*"` + condition + `}]}`
	access := inventory.Prepare(inventory.Snapshot{Version: inventory.Version, Accounts: []inventory.Account{{ID: account}}, Keys: []inventory.Key{{Facts: key, Policy: open}}})
	return slices.ContainsFunc(keyreview.Review(access, keyreview.Default(), time.Now()), func(f keyreview.Finding) bool {
		return f.Control.ID == guard.KeyOpen && strings.Contains(f.Detail, "AWS account")
	})
}
