package faults_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/shared/settings"
)

// stored is what the hub remembers of a resource, as JSON.
type stored struct {
	State    string
	GoneAt   string
	Findings []struct{ Control, Status string }
}

// faultless judges, and fails the test of each fault.
func (o *oracle) faultless(t *testing.T, d *driver) {
	t.Helper()
	if _, err := o.judge(d); err != nil {
		t.Fatal(err)
	}
	for _, f := range o.faults {
		t.Error(f)
	}
}

// judge compares what the hub remembers, and what people were notified of, with what is true. It is asked when all is at rest.
func (o *oracle) judge(d *driver) (tableBytes int, err error) {
	rows, err := d.rows()
	if err != nil {
		return 0, err
	}
	records, bytes, waiting := remembered(rows)
	for _, row := range waiting {
		o.fault(&o.Lost, "still waits to be published or sent: %s", row)
	}
	o.mu.Lock()
	secrets := slices.SortedFunc(maps.Values(o.secrets), func(a, b *secret) int { return strings.Compare(a.arn, b.arn) })
	o.mu.Unlock()
	for _, s := range secrets {
		key, exists := o.look(d, s)
		o.mu.Lock()
		if _, alone := d.versions.alone[at{"resource#" + s.arn, "record"}]; !alone { // what a newer version remembers is its own
			o.compare(s, key, exists, records[s.arn])
		}
		o.mu.Unlock()
	}
	d.versions.judge(d, rows)
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(o.wants)) {
		if !o.notified[id] {
			o.fault(&o.Lost, "nobody was notified: %s", o.wants[id])
		}
	}
	return bytes, nil
}

// look asks AWS which key a secret names now.
func (o *oracle) look(d *driver, s *secret) (key string, exists bool) {
	out, err := d.w.AWS.As("oracle.example.com", s.account, s.region, "secretsmanager", "DescribeSecret", map[string]any{"SecretId": s.arn})
	if err != nil || out["DeletedDate"] != nil {
		return "", false
	}
	return words(out, "KmsKeyId"), true
}

func (o *oracle) compare(s *secret, key string, exists bool, r *stored) {
	switch {
	case r == nil && exists:
		o.fault(&o.Lost, "%s: exists, and nobody knows of it", s.arn)
		return
	case r == nil:
		return // it came and went before anybody looked
	case !exists:
		if r.GoneAt == "" {
			o.fault(&o.Wrong, "%s: gone, and remembered as %s", s.arn, r.State)
		}
		return
	}
	open := ""
	for _, f := range r.Findings {
		if f.Control == "DL.SECRET.1" {
			open = f.Status
		}
	}
	failing := managed(key)
	switch {
	case failing && r.State != "default" && r.State != "drifted", !failing && r.State != "dual" && r.State != "sealed":
		o.fault(&o.Wrong, "%s: under key %q, and remembered as %s", s.arn, key, r.State)
	case failing != (open == "open"):
		o.fault(&o.Wrong, "%s: under key %q, and DL.SECRET.1 is %q", s.arn, key, open)
	}
	if failing && (s.account == local.Shop || s.account == local.Search) && !slices.ContainsFunc(o.opened[s.arn+"|DL.SECRET.1"], func(id string) bool { return o.notified[id] }) {
		o.fault(&o.Lost, "%s: under the AWS managed key, and nobody was notified", s.arn)
	}
}

// remembered is what the hub remembers, as it lies in its table: the records, how many bytes all rows have, and what waits to be
// published or sent.
func remembered(rows map[at]row) (records map[string]*stored, size int, waiting []string) {
	records = map[string]*stored{}
	for where, it := range rows {
		size += len(encodedRow(it))
		if arn, is := strings.CutPrefix(where.pk, "resource#"); is && where.sk == "record" {
			var r stored
			if err := json.Unmarshal([]byte(words(field(it, "body"), "S")), &r); err == nil {
				records[arn] = &r
			}
		}
		if where.kind() == "outbox" {
			waiting = append(waiting, where.String())
		}
	}
	slices.Sort(waiting)
	return records, size, waiting
}

// rows reads the hub's table.
func (d *driver) rows() (map[at]row, error) {
	all := map[at]row{}
	in := row{"TableName": d.table()}
	for {
		out, err := d.w.AWS.As("oracle.example.com", local.Hub, d.w.Home(), "dynamodb", "Scan", in)
		if err != nil {
			return nil, fmt.Errorf("read the table: %w", err)
		}
		items, _ := out["Items"].([]any)
		for _, one := range items {
			it, _ := one.(row)
			all[rowAt(it)] = it
		}
		if out["LastEvaluatedKey"] == nil {
			return all, nil
		}
		in["ExclusiveStartKey"] = out["LastEvaluatedKey"]
	}
}

func (d *driver) table() string { return d.deployed["detect"].env[settings.EnvTable] }
