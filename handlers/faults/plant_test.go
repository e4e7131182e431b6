package faults_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/settings"
)

// The oracle sees what it is there for: each kind of fault is planted, and counted.
func TestTheOracleSeesWhatIsPlanted(t *testing.T) {
	for name, row := range map[string]struct {
		plant func(t *testing.T, d *driver, arn string)
		count func(*oracle) int
	}{
		"a notice that reaches nobody": {func(_ *testing.T, d *driver, _ string) { d.w.AWS.TakeMail() }, func(o *oracle) int { return o.Lost }},
		"a record that was never made": {func(t *testing.T, d *driver, arn string) {
			d.service(t, "dynamodb", "DeleteItem", map[string]any{"TableName": d.deployed["detect"].env[settings.EnvTable], "Key": map[string]any{"pk": map[string]string{"S": "resource#" + arn}, "sk": map[string]string{"S": "record"}}})
		}, func(o *oracle) int { return o.Lost }},
		"a notice that is left in the outbox": {func(t *testing.T, d *driver, _ string) {
			d.service(t, "dynamodb", "PutItem", map[string]any{"TableName": d.deployed["detect"].env[settings.EnvTable], "Item": map[string]any{"pk": map[string]string{"S": "outbox#notices#1"}, "sk": map[string]string{"S": "planted"}}})
		}, func(o *oracle) int { return o.Lost }},
		"a record that says another state than is true": {func(_ *testing.T, d *driver, arn string) {
			d.w.AWS.Trail(local.Search, d.w.Home(), false)
			_, _ = d.w.AWS.AsPrincipal(local.Search, "role/app-deploy/people", d.w.Home(), "secretsmanager", "UpdateSecret", map[string]any{"SecretId": arn, "KmsKeyId": settings.SecretsKeyAlias}) // seen by the verdict
		}, func(o *oracle) int { return o.Wrong }},
		"a change in an account that is only notified": {func(t *testing.T, d *driver, arn string) { d.asHub(t, local.Search, settings.RoleChange, arn) }, func(o *oracle) int { return o.Wrong }},
		"a message sent a second time without a word": {func(_ *testing.T, d *driver, _ string) {
			mails := d.w.AWS.TakeMail()
			d.oracle.read(mails)
			again := append([]localaws.Mail(nil), mails...)
			for i := range again {
				again[i].ID += "-second"
			}
			d.oracle.read(again)
		}, func(o *oracle) int { return o.NotifiedTwice }},
		"a change that was made before": {func(t *testing.T, d *driver, _ string) {
			made := d.people(t, local.Payments, "CreateSecret", map[string]any{"Name": "app/planted", "KmsKeyId": settings.SecretsKeyAlias, "SecretString": "not a real value"})
			d.asHub(t, local.Payments, settings.RoleChange, words(made, "ARN"))
		}, func(o *oracle) int { return o.ChangedTwice }},
		"a write that loses what a newer version added": {func(t *testing.T, d *driver, arn string) {
			d.faults.forgets = true
			d.writeNewer(at{"resource#" + arn, "record"})
			d.people(t, local.Search, "UpdateSecret", map[string]any{"SecretId": arn, "KmsKeyId": settings.SecretsKeyAlias})
		}, saying("lost what a newer version added, by")},
		"a write over a row that is a newer version's alone": {func(t *testing.T, d *driver, arn string) {
			where := at{"resource#" + arn, "record"}
			before := d.row(where)
			d.writeAlone(where, false)
			d.service(t, "dynamodb", "PutItem", map[string]any{"TableName": d.table(), "Item": before})
		}, saying("only a newer version may write it, and it is")},
		"a row that is a newer version's alone, of which nobody says so": {func(_ *testing.T, d *driver, arn string) {
			d.writeAlone(at{"resource#" + arn, "record"}, false) // no sweep has come by
		}, saying("and nobody says so")},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOracle()
			w := found(t, 1, o)
			bubble(t, w, 1, faults{processes: 1}, o, func(t *testing.T, d *driver) {
				d.quiet()
				arn := words(d.people(t, local.Search, "CreateSecret", map[string]any{"Name": "app/1", "SecretString": "not a real value", "Tags": []map[string]string{{"Key": "Owner", "Value": "team-search"}}}), "ARN")
				for d.step() { //nolint:revive // everything but the reading of mail
				}
				time.Sleep(time.Second)
				for d.step() { //nolint:revive // what slept
				}
				row.plant(t, d, arn)
				d.settle(0)
				if _, err := o.judge(d); err != nil {
					t.Fatal(err)
				}
				if row.count(o) == 0 {
					t.Errorf("not seen: lost %d, wrong %d, notified twice %d, changed twice %d, %d messages", o.Lost, o.Wrong, o.NotifiedTwice, o.ChangedTwice, o.Mails)
				}
			})
		})
	}
}

// saying counts the faults with certain words.
func saying(words string) func(*oracle) int {
	return func(o *oracle) int {
		n := 0
		for _, f := range o.faults {
			if strings.Contains(f, words) {
				n++
			}
		}
		return min(n, o.Wrong)
	}
}

func (d *driver) service(t *testing.T, service, call string, in map[string]any) {
	t.Helper()
	d.serviceIn(t, local.Hub, service, call, in)
}

func (d *driver) serviceIn(t *testing.T, account, service, call string, in map[string]any) map[string]any {
	t.Helper()
	out, err := d.w.AWS.As("planted.example.com", account, d.w.Home(), service, call, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// asHub changes a secret as a worker of the hub does that asks no fence.
func (d *driver) asHub(t *testing.T, account, role, arn string) {
	t.Helper()
	_, err := d.w.AWS.AsPrincipal(account, "role/"+role+"/doublelock-remediate", d.w.Home(), "secretsmanager", "UpdateSecret", map[string]any{"SecretId": arn, "KmsKeyId": settings.SecretsKeyAlias})
	if err != nil {
		t.Fatal(err)
	}
}

// Each service is down for hours. What happened meanwhile is sent and done afterwards, without a person.
func TestNothingIsLostWhileAServiceIsDownForHours(t *testing.T) {
	for _, service := range []string{"sns", "events", "kms", "organizations", "dynamodb", "secretsmanager", "sqs", "sts"} {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			o := newOracle()
			w := found(t, 1, o)
			bubble(t, w, 1, faults{processes: 2, skew: 5 * time.Minute}, o, func(t *testing.T, d *driver) {
				d.sparse()
				createIn(t, d, local.Search, app(1))
				createIn(t, d, local.Payments, app(2))
				d.settle(time.Hour)
				refused := 0
				both := time.Now().Add(14 * time.Minute)
				d.faults.down = func(c *call) bool {
					if c.service == service {
						refused++
					}
					// The queues are called by who cannot do his work, alone: the table is down with them, for less
					// than five deliveries take. (When SQS is down as a whole, it delivers nothing either.)
					return c.service == service || service == "sqs" && c.service == "dynamodb" && time.Now().Before(both)
				}
				createIn(t, d, local.Search, app(3))
				createIn(t, d, local.Payments, app(4))
				d.people(t, local.Search, "UpdateSecret", map[string]any{"SecretId": "app/1", "KmsKeyId": settings.SecretsKeyAlias})
				d.settle(3 * time.Hour)
				createIn(t, d, local.Search, app(5))
				d.faults.down = nil
				d.settle(6 * time.Hour)
				o.faultless(t, d)
				if dead := d.w.AWS.Stats().InDLQ; dead > 0 || refused == 0 {
					t.Errorf("%d calls refused, %d messages parked:\n%s", refused, dead, strings.Join(d.parked(t), "\n"))
				}
				raw, _ := json.Marshal(map[string]int{"refused": refused, "mails": o.Mails, "repeats": o.Repeats}) // numbers
				t.Log(fmt.Sprint(service, " ", string(raw)))
			})
		})
	}
}
