package preventive

import (
	"strings"
	"testing"
)

// What a request may have besides is not known: a policy that rests on it proves nothing, whichever way the condition goes.
func TestASentenceThatRestsOnWhatIsNotKnownIsNotProven(t *testing.T) {
	r := KeyRequest{Shape: ShapeApp, Account: "111122223333", Region: "eu-central-1",
		Readers: []string{"arn:aws:iam::111122223333:role/app"}, Writers: []string{"arn:aws:iam::111122223333:role/deploy"}}
	for sentence, condition := range map[string]map[string]Values{
		"StringNotEquals": {"aws:PrincipalTag/stage": {"old"}},
		"StringEquals":    {"aws:SourceVpce": {"vpce-1"}},
		"Bool":            {"aws:NewNextYear": {"true"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			d, proven, err := KeyPolicy(r)
			if err != nil || len(proven) == 0 {
				t.Fatalf("%v, %v", proven, err)
			}
			for i := range d.Statement {
				s := &d.Statement[i]
				if s.Sid != "Read" {
					continue
				}
				changed := Condition{}
				for operator, keys := range s.Condition {
					changed[operator] = map[string]Values{}
					for key, values := range keys {
						changed[operator][key] = values
					}
				}
				if changed[sentence] == nil {
					changed[sentence] = map[string]Values{}
				}
				for key, values := range condition {
					changed[sentence][key] = values
				}
				s.Condition = changed
			}
			_, err = r.check(d)
			if err == nil || !strings.Contains(err.Error(), "a user reads through Secrets Manager (arn:aws:iam::111122223333:role/app): unknown: not given ") {
				t.Errorf("%v", err)
			}
		})
	}
}
