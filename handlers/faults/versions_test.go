package faults_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/shared/migration"
)

// row is an item of the hub's table as DynamoDB's JSON.
type row = map[string]any

// at is where a row is.
type at struct{ pk, sk string }

func (a at) String() string { return a.pk + " " + a.sk }

func (a at) kind() string {
	kind, _, _ := strings.Cut(a.pk, "#")
	return kind
}

func (a at) key() row { return row{"pk": row{"S": a.pk}, "sk": row{"S": a.sk}} }

func rowAt(it row) at { return at{words(field(it, "pk"), "S"), words(field(it, "sk"), "S")} }

// versions are what other versions of the hub wrote in the table, as in a rollout that goes on while everything else does.
type versions struct {
	mu    sync.Mutex    // a slow call arrives by a timer of its own
	newer map[at]bool   // rows to which a newer version added something
	alone map[at]string // rows that a newer version alone may write, as it wrote them
	marks int           // writes

	Newer, Older, Alone, Kept int // rows of each kind, and writes of ours after which the additions were still there
}

// renewed are the rows whose additions go with a write of an older version (operations.md, "Updates"): the index is made anew from the
// records, a bookmark is one value. A part is of one write of another row.
var renewed = []string{"index", "bookmark", "part"}

// added is what a newer version adds to a row, beside novel in its body.
var added = row{"schema": row{"N": "7"}, "fence": row{"N": "42"}, "ttlClass": row{"S": "warm"}}

const novel = `{"a":[1,18446744073709551615]}`

// phaseAfterNext is one that this version does not know.
const phaseAfterNext = "phase_after_next"

// writes lists the rows that a call of DynamoDB puts or removes; known is false where this test does not know what a call does.
func writes(c *call) (puts, removals []row, known bool) {
	type one struct{ Item, Key row }
	switch c.operation {
	case "GetItem", "Query", "Scan":
		return nil, nil, true
	case "PutItem", "DeleteItem":
		var in one
		if json.Unmarshal(c.body, &in) != nil {
			return nil, nil, false
		}
		if c.operation == "PutItem" {
			return []row{in.Item}, nil, true
		}
		return nil, []row{in.Key}, true
	case "TransactWriteItems":
		var in struct{ TransactItems []struct{ Put, Delete *one } }
		if json.Unmarshal(c.body, &in) != nil {
			return nil, nil, false
		}
		for _, part := range in.TransactItems {
			switch {
			case part.Put != nil:
				puts = append(puts, part.Put.Item)
			case part.Delete != nil:
				removals = append(removals, part.Delete.Key)
			}
		}
		return puts, removals, true
	}
	return nil, nil, false
}

// beside lets a call arrive, looks what it made of the rows of other versions, and has such a version write after it.
func (d *driver) beside(c *call, arrive func() int) {
	puts, removals, known := writes(c)
	if !known {
		d.wrong("%s: it is not known what it writes", c)
	}
	var touched []at
	for _, it := range slices.Concat(puts, removals) {
		touched = append(touched, rowAt(it))
	}
	v := &d.versions
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, where := range touched {
		if v.newer[where] && !hasAdded(d.row(where)) { // it was forgotten at its time
			delete(v.newer, where)
		}
	}
	if d.faults.forgets {
		c.body = forgotten(c.body)
	}
	if arrive() != http.StatusOK {
		return
	}
	for _, where := range touched {
		if v.newer[where] {
			d.keeps(where, c)
		}
		if put, is := v.alone[where]; is && encodedRow(d.row(where)) != put {
			d.wrong("%s: was written over by %s, and only a newer version may", where, c)
			delete(v.alone, where)
		}
	}
	for n, it := range puts {
		where, x := rowAt(it), d.chance("version", c.of.name, c.number, n)
		switch {
		case x < d.faults.newer:
			d.writeNewer(where)
		case x < d.faults.newer+d.faults.older:
			d.writeOlder(where)
		case x < d.faults.newer+d.faults.older+d.faults.alone:
			d.writeAlone(where, d.chance("alone", c.of.name, c.number, n) < 0.5)
		}
	}
}

// forgotten is a call without what a newer version added to its rows, as of code that writes back only what it knows.
func forgotten(body []byte) []byte {
	var in row
	if json.Unmarshal(body, &in) != nil {
		return body
	}
	forget := func(it row) {
		fields := bodyOf(it)
		if fields["novel"] == nil {
			return
		}
		for name := range added {
			delete(it, name)
		}
		delete(fields, "novel")
		raw, _ := json.Marshal(fields) // it was JSON
		it["schema"], it["body"] = row{"N": "1"}, row{"S": string(raw)}
	}
	forget(field(in, "Item"))
	parts, _ := in["TransactItems"].([]any)
	for _, part := range parts {
		of, _ := part.(row)
		forget(field(of, "Put", "Item"))
	}
	out, _ := json.Marshal(in) // it was JSON
	return out
}

// keeps looks whether a row has what a newer version added, after a write of ours. One that was taken away is none.
func (d *driver) keeps(where at, by *call) {
	it := d.row(where)
	switch {
	case it == nil:
		delete(d.versions.newer, where)
	case !hasAdded(it):
		d.wrong("%s: lost what a newer version added, by %s: %s", where, by, encodedRow(it))
		delete(d.versions.newer, where)
	default:
		d.versions.Kept++
	}
}

func (d *driver) wrong(format string, args ...any) {
	d.oracle.mu.Lock()
	defer d.oracle.mu.Unlock()
	d.oracle.fault(&d.oracle.Wrong, format, args...)
}

func hasAdded(it row) bool {
	for name, value := range added {
		if encodedRow(field(it, name)) != encodedRow(value.(row)) {
			return false
		}
	}
	return it["parts"] != nil || string(bodyOf(it)["novel"]) == novel
}

func encodedRow(it row) string {
	raw, _ := json.Marshal(it) // it was JSON
	return string(raw)
}

func bodyOf(it row) map[string]json.RawMessage {
	var body map[string]json.RawMessage
	_ = json.Unmarshal([]byte(words(field(it, "body"), "S")), &body) // nil is no body
	return body
}

// row reads a row; nil is none.
func (d *driver) row(where at) row {
	out, err := d.w.AWS.As("other.example.com", local.Hub, d.w.Home(), "dynamodb", "GetItem", row{"TableName": d.table(), "Key": where.key(), "ConsistentRead": true})
	if err != nil {
		panic(err) // the local AWS has lost a table
	}
	it, _ := out["Item"].(row)
	return it
}

// write writes a row with another body, as a write of its own: with a mark and a revision that nobody else's has.
func (d *driver) write(it row, body map[string]json.RawMessage) {
	if n, err := strconv.Atoi(words(field(it, "revision"), "N")); err == nil {
		it["revision"] = row{"N": strconv.Itoa(n + 1)}
		if body["revision"] != nil {
			body["revision"], _ = json.Marshal(n + 1) // a number
		}
	}
	if it["write"] != nil {
		d.versions.marks++
		it["write"] = row{"S": fmt.Sprint("another version's ", d.versions.marks)}
	}
	raw, _ := json.Marshal(body) // it was JSON
	it["body"] = row{"S": string(raw)}
	if _, err := d.w.AWS.As("other.example.com", local.Hub, d.w.Home(), "dynamodb", "PutItem", row{"TableName": d.table(), "Item": it}); err != nil {
		panic(err) // as above
	}
}

// plain is a row that another version may write now, with its body: not one that is in parts or for newer versions alone, and not
// the intent of a change that is under way, which only its owner writes.
func (d *driver) plain(where at) (it row, body map[string]json.RawMessage) {
	_, alone := d.versions.alone[where]
	if alone || d.versions.newer[where] || slices.Contains(renewed, where.kind()) {
		return nil, nil
	}
	it = d.row(where)
	body = bodyOf(it)
	if it["parts"] != nil || body == nil || where.kind() == "intent" && where.sk == "intent" && body["outcome"] == nil {
		return nil, nil
	}
	return it, body
}

// writeNewer adds to a row what a newer version may have: attributes, and a field in the body.
func (d *driver) writeNewer(where at) {
	it, body := d.plain(where)
	if it == nil {
		return
	}
	maps.Copy(it, added)
	body["novel"] = json.RawMessage(novel)
	d.write(it, body)
	d.versions.newer[where] = true
	d.versions.Newer++
}

// writeOlder gives a row the form that it had before there were schemas: without one, without the mark of a write, and of a record
// without the fields that came later.
func (d *driver) writeOlder(where at) {
	it, body := d.plain(where)
	if it == nil {
		return
	}
	delete(it, "schema")
	delete(it, "write")
	if where.kind() == "resource" {
		if body["keyArn"] != nil {
			it["keyArn"] = row{"S": strings.Trim(string(body["keyArn"]), `"`)}
		}
		delete(body, "held")
		delete(body, "asOf")
		if string(body["state"]) != `"unknown"` {
			delete(body, "lastKnown")
		}
	}
	d.write(it, body)
	d.versions.Older++
}

// writeAlone makes of a secret's record or of a job one that a newer version alone may write: it says so, or it is in a phase that
// this version does not know.
func (d *driver) writeAlone(where at, byPhase bool) {
	job := strings.HasPrefix(where.pk, "document#"+migration.DocumentKind+"#")
	secret := strings.HasPrefix(where.pk, "resource#") && strings.Contains(where.pk, ":secretsmanager:") && where.sk == "record"
	it, body := d.plain(where)
	if it == nil || !job && !secret || it["expiresAt"] != nil || body["outbox"] != nil { // the newer one would publish that itself
		return
	}
	if job && byPhase {
		it["schema"], body["phase"] = row{"N": "7"}, json.RawMessage(strconv.Quote(phaseAfterNext))
	} else {
		it["schema"], it["needs"], body = row{"N": "9"}, row{"N": "9"}, map[string]json.RawMessage{"novel": json.RawMessage(novel)}
	}
	d.write(it, body)
	d.versions.alone[where] = encodedRow(d.row(where))
	d.versions.Alone++
}

// judge looks at the rows of other versions when all is at rest: what was added is there, what is a newer version's alone is as it
// was, and people can see by name that it is there: in quarantine, or as a job in an unknown phase.
func (v *versions) judge(d *driver, rows map[at]row) {
	named := map[string]bool{}
	for where, it := range rows {
		if body := bodyOf(it); where.kind() == "quarantine" && body["endedAt"] == nil {
			named[string(body["id"])] = true
		}
	}
	sorted := func(all []at) []at {
		slices.SortFunc(all, func(a, b at) int { return strings.Compare(a.String(), b.String()) })
		return all
	}
	for _, where := range sorted(slices.Collect(maps.Keys(v.newer))) {
		if it := rows[where]; it != nil && !hasAdded(it) {
			d.wrong("%s: lost what a newer version added", where)
		}
	}
	for _, where := range sorted(slices.Collect(maps.Keys(v.alone))) {
		it := rows[where]
		if encodedRow(it) != v.alone[where] {
			d.wrong("%s: only a newer version may write it, and it is %s", where, encodedRow(it))
		}
		id := where.sk
		if where.kind() == "resource" {
			id = strings.TrimPrefix(where.pk, "resource#")
		}
		if it["needs"] == nil && !isUnknown(where, it) || it["needs"] != nil && !named[strconv.Quote(id)] {
			d.wrong("%s: only a newer version may write it, and nobody says so", where)
		}
	}
}

// isUnknown reports that migrate status counts a job as unknown.
func isUnknown(where at, it row) bool {
	group := strings.TrimPrefix(where.pk, "document#"+migration.DocumentKind+"#")
	job, err := migration.ReadJob(group, where.sk, []byte(words(field(it, "body"), "S")))
	if err != nil {
		return false
	}
	unknown := 0
	for _, r := range migration.Summarize([]migration.Job{job}, nil).Rows {
		unknown += r.Unknown
	}
	return unknown == 1
}
