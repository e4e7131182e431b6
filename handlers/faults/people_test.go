package faults_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/shared/settings"
)

// people work in the organization: each of their writes is an event.
type people struct {
	d      *driver
	live   []item
	made   int
	most   int           // secrets at a time
	every  time.Duration // between two writes, in the mean
	next   time.Time
	poison int
	teams  []string // what they write into the tag of an owner; "": no tag
}

type item struct{ id, account, region string }

var accounts = []string{local.Search, local.Search, local.Payments, local.Shop, local.Sandbox}

func (p *people) pick(n int) int { return p.d.rng.IntN(n) }

// work is one write, which may be refused.
func (p *people) work() error {
	p.d.count.Events++
	p.d.oracle.event.Store(int64(p.d.count.Events))
	p.next = time.Now().Add(time.Duration(float64(p.every) * -math.Log(1-p.d.rng.Float64())))
	if len(p.live) < p.most/2 || len(p.live) < p.most && p.pick(4) == 0 {
		return p.create()
	}
	s := p.live[p.pick(len(p.live))]
	switch n := p.pick(100); {
	case n < 25:
		p.live = slices.DeleteFunc(p.live, func(x item) bool { return x == s })
		return p.do(s, "DeleteSecret", map[string]any{"ForceDeleteWithoutRecovery": p.pick(2) == 0})
	case n < 45:
		return p.do(s, "UpdateSecret", map[string]any{"KmsKeyId": settings.SecretsKeyAlias})
	case n < 55:
		return p.do(s, "UpdateSecret", map[string]any{"KmsKeyId": "alias/aws/secretsmanager"})
	case n < 75:
		return p.do(s, "PutSecretValue", map[string]any{"SecretString": fmt.Sprint("not a real value ", p.pick(1000))})
	case n < 85:
		return p.do(s, "TagResource", map[string]any{"Tags": []map[string]string{{"Key": "stage", "Value": fmt.Sprint(p.pick(3))}}})
	case n < 97:
		return p.do(s, "UpdateSecret", map[string]any{"Description": fmt.Sprint(p.pick(1000))})
	case n < 98:
		return p.odd(s)
	default:
		return p.create()
	}
}

func (p *people) create() error {
	p.made++
	s := item{account: accounts[p.pick(len(accounts))], region: p.d.w.Home()}
	if p.pick(3) == 0 {
		s.region = p.d.w.Second()
	}
	in := map[string]any{"Name": fmt.Sprintf("app/%d", p.made), "SecretString": "not a real value"}
	if owner := p.teams[p.pick(len(p.teams))]; owner != "" {
		in["Tags"] = []map[string]string{{"Key": "Owner", "Value": owner}}
	}
	if s.account == local.Shop || p.pick(2) == 0 { // an SCP asks it of the first
		in["KmsKeyId"] = settings.SecretsKeyAlias
	}
	out, err := p.d.w.AWS.AsPrincipal(s.account, "role/app-deploy/people", s.region, "secretsmanager", "CreateSecret", in)
	if err != nil {
		return err
	}
	s.id = words(out, "ARN")
	p.live = append(p.live, s)
	return nil
}

func (p *people) do(s item, call string, in map[string]any) error {
	in["SecretId"] = s.id
	_, err := p.d.w.AWS.AsPrincipal(s.account, "role/app-deploy/people", s.region, "secretsmanager", call, in)
	if err != nil && strings.Contains(err.Error(), "policy") {
		return nil // an SCP is against it
	}
	return err
}

// broken is a message that nobody can read.
const broken = `{"this is": "no event`

// odd is what no person would write: a message that is no event, and one as large as EventBridge takes.
func (p *people) odd(s item) error {
	if p.pick(2) == 0 {
		p.poison++
		names := []string{"detect", "alert", "remediate", "sweep", "watchdog"}
		return p.d.send(p.d.queueOf(names[p.pick(len(names))]), broken)
	}
	body, err := json.Marshal(map[string]any{"version": "0", "id": fmt.Sprint("large-", p.d.count.Events), "detail-type": "AWS API Call via CloudTrail", "source": "aws.secretsmanager",
		"account": s.account, "region": s.region, "time": p.d.w.Clock.Now().UTC().Format(time.RFC3339), "detail": map[string]any{
			"eventVersion": "1.11", "eventSource": "secretsmanager.amazonaws.com", "eventName": "UpdateSecret", "awsRegion": s.region, "eventID": fmt.Sprint("large-", p.d.count.Events),
			"eventTime": p.d.w.Clock.Now().UTC().Format(time.RFC3339), "recipientAccountId": s.account, "readOnly": false, "eventType": "AwsApiCall",
			"userIdentity":      map[string]any{"type": "AssumedRole", "accountId": s.account, "arn": "arn:aws:sts::" + s.account + ":assumed-role/app-deploy/people"},
			"requestParameters": map[string]any{"secretId": s.id, "description": strings.Repeat("x", 255<<10)}}})
	if err != nil {
		return err
	}
	return p.d.send(p.d.queueOf("detect"), string(body))
}
