package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const redeployOrg = "Deploy the organization stack again, and find out who changed it: until then nothing stops what it denies."

// scps looks whether each policy is there, says what it should and is attached where it should.
func (d *Doctor) scps(ctx context.Context) []Row {
	if len(d.Expected.SCPs) == 0 {
		return nil
	}
	ctx, cancel := d.limit(ctx)
	defer cancel()
	present, err := d.Organization.SCPs(ctx)
	var rows []Row
	for _, want := range d.Expected.SCPs {
		row := Row{Account: d.Expected.Management, Check: CheckSCP, Subject: want.Name}
		at := slices.IndexFunc(present, func(p SCP) bool { return p.Name == want.Name })
		switch {
		case err != nil:
			row.cannot(err, "Let doublelock-read of the management account read the policies of the organization.")
		case at < 0:
			row.fail(redeployOrg, "the policy does not exist")
		default:
			row.judge(want, present[at])
		}
		rows = append(rows, row)
	}
	return rows
}

func (r *Row) judge(want, have SCP) {
	var missing []string
	for _, target := range want.Targets {
		if !slices.Contains(have.Targets, target) {
			missing = append(missing, target)
		}
	}
	sum := fingerprint(have.Content)
	switch {
	case sum != fingerprint(want.Content):
		r.fail(redeployOrg, "its content was changed: sha256 %s, not %s", short(sum), short(fingerprint(want.Content)))
	case len(missing) > 0:
		r.fail(redeployOrg, "not attached to %s", strings.Join(missing, ", "))
	default:
		r.ok("unchanged (sha256 %s), attached to %s", short(sum), strings.Join(want.Targets, ", "))
	}
}

// fingerprint is the SHA-256 of a JSON document whatever its spaces and the order of its members; that of what is no
// JSON is of the text.
func fingerprint(document string) string {
	canonical := []byte(document)
	var value any
	if json.Unmarshal(canonical, &value) == nil {
		if raw, err := json.Marshal(value); err == nil { // members come sorted
			canonical = raw
		}
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:])
}

// busPolicy says what is wrong with the policy of the hub's bus: the rules of every account of the organization, and nobody else,
// may forward events to it. "" is nothing.
func busPolicy(text, organization string) string {
	if text == "" {
		return "the bus has no policy, so no account can send to it"
	}
	var document struct{ Statement []statement }
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return fmt.Sprintf("the policy of the bus cannot be read: %v", err)
	}
	open := false
	for _, s := range document.Statement {
		if s.Effect != "Allow" || !s.anybody() {
			continue
		}
		if !slices.Equal(s.Condition["StringEquals"]["aws:PrincipalOrgID"], list{organization}) {
			return "the policy of the bus lets accounts outside the organization send"
		}
		if !slices.Equal(s.Condition["StringEquals"]["events:eventBusInvocation"], list{"true"}) {
			return "the policy of the bus lets accounts put events there that no rule forwarded"
		}
		open = open || slices.Contains(s.Action, "events:PutEvents")
	}
	if !open {
		return "the policy of the bus does not let the accounts of the organization send"
	}
	return ""
}

type statement struct {
	Effect    string
	Principal any
	Action    list
	Condition map[string]map[string]list
}

// anybody reports whether the principal is a wildcard, however it is written.
func (s statement) anybody() bool {
	switch p := s.Principal.(type) {
	case string:
		return p == "*"
	case map[string]any:
		for _, v := range p {
			if v == "*" || slices.Contains(anyList(v), any("*")) {
				return true
			}
		}
	}
	return false
}

func anyList(v any) []any {
	values, _ := v.([]any)
	return values
}

// list is one text or several, as policies write both.
type list []string

func (l *list) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(l))
}
