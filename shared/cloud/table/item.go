package table

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/store"
)

// Attributes of the one table, as infra declares them. Everything else about an item is in its body, as JSON.
const (
	AttributeKey     = "pk"        // partition key: what kind of thing, "#", its identity
	AttributeSort    = "sk"        // sort key
	AttributeExpires = "expiresAt" // TTL, seconds since 1970; only on what may be forgotten

	attributeKeyARN   = "keyArn" // on records of earlier versions, which had an index by it
	attributeSchema   = "schema" // the version that wrote the item, or a newer one that wrote it before
	attributeNeeds    = "needs"  // the least version that may read the item; none: every one
	attributeRevision = "revision"
	attributeState    = "state"
	attributeBody     = "body"
	attributeParts    = "parts"  // how many items hold the body, when one is too small
	attributePartOf   = "partOf" // and the write that they belong to
	recordSort        = "record"
)

// Schema is the version that this code writes. A version that adds fields raises it; one that changes what a field means
// also writes the least version that may read the item into attributeNeeds, and older ones leave the item alone.
const Schema = 1

// decided are the attributes that a write of this version decides about. Others of an item are a newer version's, and are kept.
var decided = []string{AttributeKey, AttributeSort, attributeKeyARN, AttributeExpires, attributeSchema, attributeNeeds, attributeRevision, attributeState, attributeBody, attributeParts, attributePartOf, attributeWrite}

// mostItem is the most bytes of an item. AWS takes four times as many; what comes near that could not be written back.
const mostItem = 100 * 1000

type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func textOf(v types.AttributeValue) string {
	s, isText := v.(*types.AttributeValueMemberS)
	if !isText {
		return ""
	}
	return s.Value
}

// numberOf is a whole number; ok is false for anything else.
func numberOf(v types.AttributeValue) (n int64, ok bool) {
	number, isNumber := v.(*types.AttributeValueMemberN)
	if !isNumber {
		return 0, false
	}
	n, err := strconv.ParseInt(number.Value, 10, 64)
	return n, err == nil
}

func keyOf(it item) item {
	return item{AttributeKey: it[AttributeKey], AttributeSort: it[AttributeSort]}
}

// forms are the partition keys of everything that this version keeps, up to the first "#": see subject. Of records every
// sort key but one is nobody's.
var forms = []string{"document#", "documents#", "index#", "intent#", "journal#", "list#", "outbox#", "delivery#", "counter#", "answer#", "bookmark#", "brake#", "part#", quarantine}

// nobody is what is wrong with a row that no code of this version asks for.
const nobody = "nobody reads a row with this key"

// known reports that the key of a row is of a form that this version keeps.
func known(it item) bool {
	pk := textOf(it[AttributeKey])
	return strings.HasPrefix(pk, "resource#") && textOf(it[AttributeSort]) == recordSort ||
		slices.ContainsFunc(forms, func(form string) bool { return strings.HasPrefix(pk, form) })
}

// strange is the condition of a scan that finds records, and rows whose key this version does not know.
func strange() (condition string, values item) {
	values = item{":record": text(recordSort)}
	var all []string
	for n, form := range forms {
		name := fmt.Sprintf(":f%d", n)
		values[name] = text(form)
		all = append(all, "begins_with("+AttributeKey+", "+name+")")
	}
	return AttributeSort + " = :record OR NOT (" + strings.Join(all, " OR ") + ")", values
}

// subject says what a row is, from its key alone: the rest of it may be anything.
func subject(it item) store.Unreadable {
	pk, sk := textOf(it[AttributeKey]), textOf(it[AttributeSort])
	kind, id, _ := strings.Cut(pk, "#")
	switch kind {
	case quarantine:
		return store.Unreadable{Kind: quarantine, ID: sk}
	case "resource":
		if sk != recordSort {
			break
		}
		return store.Unreadable{Kind: store.KindRecord, Group: arn.Of(id).Account, ID: id}
	case "document":
		of, group, _ := strings.Cut(id, "#")
		return store.Unreadable{Kind: of, Group: group, ID: sk}
	case "intent":
		return store.Unreadable{Kind: sk, ID: id} // store.KindIntent or store.KindWatch
	case "index":
		return store.Unreadable{Kind: store.KindIndex, Group: arn.Of(sk).Account, ID: sk}
	case "journal", "list", store.KindOutbox:
		return store.Unreadable{Kind: kind, ID: id + " " + sk}
	}
	if !known(it) {
		return store.Unreadable{Kind: "item", ID: pk + " " + sk}
	}
	return store.Unreadable{Kind: kind, ID: id}
}

func unreadable(it item, format string, args ...any) *store.Unreadable {
	u := subject(it)
	u.Reason = fmt.Sprintf(format, args...)
	return &u
}

// size is what DynamoDB counts of an item: names and values (developer guide, "DynamoDB Item sizes and formats"). Of values
// other than texts and numbers, which only other versions write, it is their JSON.
func size(it item) int {
	bytes := 0
	for name, v := range it {
		bytes += len(name)
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			bytes += len(v.Value)
		case *types.AttributeValueMemberN:
			bytes += len(v.Value)
		default:
			raw, _ := json.Marshal(plain(v)) // made of what can be encoded
			bytes += len(raw)
		}
	}
	return bytes
}

// encoded is an item as DynamoDB's own JSON, the same for the same item.
func encoded(it item) string {
	raw, _ := json.Marshal(plain(&types.AttributeValueMemberM{Value: it}).(map[string]any)["M"]) // made of what can be encoded
	return string(raw)
}

func plain(v types.AttributeValue) any {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return map[string]any{"S": v.Value}
	case *types.AttributeValueMemberN:
		return map[string]any{"N": v.Value}
	case *types.AttributeValueMemberB:
		return map[string]any{"B": base64.StdEncoding.EncodeToString(v.Value)}
	case *types.AttributeValueMemberBOOL:
		return map[string]any{"BOOL": v.Value}
	case *types.AttributeValueMemberNULL:
		return map[string]any{"NULL": v.Value}
	case *types.AttributeValueMemberSS:
		return map[string]any{"SS": slices.Sorted(slices.Values(v.Value))}
	case *types.AttributeValueMemberNS:
		return map[string]any{"NS": slices.Sorted(slices.Values(v.Value))}
	case *types.AttributeValueMemberBS:
		var all []string
		for _, b := range v.Value {
			all = append(all, base64.StdEncoding.EncodeToString(b))
		}
		slices.Sort(all)
		return map[string]any{"BS": all}
	case *types.AttributeValueMemberL:
		all := []any{}
		for _, inner := range v.Value {
			all = append(all, plain(inner))
		}
		return map[string]any{"L": all}
	case *types.AttributeValueMemberM:
		all := map[string]any{}
		for name, inner := range v.Value {
			all[name] = plain(inner)
		}
		return map[string]any{"M": all}
	}
	return map[string]any{"UNKNOWN": fmt.Sprintf("%T", v)}
}

// carried are the attributes of an item that only a newer version knows.
func carried(it item) item {
	out := maps.Clone(it)
	for _, name := range decided {
		delete(out, name)
	}
	return out
}
