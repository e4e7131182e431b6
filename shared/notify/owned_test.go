package notify_test

import (
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/notifytest"
)

// Secrets Manager refuses to change a secret that another service owns, to write its value and to change its rotation; the service
// does all of that. So no fix of any control proposes it, whatever of the secret fails.
// Source: user guide, "Secrets managed by other services": the managing service restricts updates.
func TestNoFixChangesASecretThatAServiceOwns(t *testing.T) {
	const key = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	for _, control := range guard.Controls() {
		for sentence, change := range map[string]func(*guard.Subject){
			"as in the sample": func(*guard.Subject) {},
			"a version of it fails": func(s *guard.Subject) {
				s.Versions = []guard.Version{{ID: "v1", Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{{ARN: key, Manager: guard.ManagerCustomer, State: guard.KeyDisabled}}}}
			},
			"only a version of it fails": func(s *guard.Subject) {
				s.Key, s.Versions = guard.Key{}, []guard.Version{{ID: "v1", Stages: []string{"blue"}, Keys: []guard.Key{{ARN: key, Manager: guard.ManagerCustomer, State: guard.KeyDisabled}}}}
			},
			"its key's material expires": func(s *guard.Subject) {
				s.Key = guard.Key{ARN: key, Manager: guard.ManagerCustomer, State: guard.KeyEnabled, ValidTo: notifytest.At.AddDate(0, 0, 7)}
			},
			"a replica of it fails": func(s *guard.Subject) {
				s.Replicas = []guard.Replica{{Region: "eu-west-1", Key: guard.Key{ARN: key, Manager: guard.ManagerCustomer, State: guard.KeyDisabled}}}
			},
		} {
			n := notifytest.Opened(control.ID, "rds!db-1", "terraform")
			n.State = guard.StateForeign
			n.Finding.Subject.Service = "rds"
			change(&n.Finding.Subject)
			story := notify.Story{Keys: notify.Keys{"eu-central-1": key, "eu-west-1": key}, Notices: []guard.Notice{n}}
			for _, part := range story.FixFor(n).Parts() {
				for _, text := range append([]string{part.Say, part.First, part.Then}, part.Lines...) {
					for _, refused := range []string{"update-secret", "put-secret-value", "rotate-secret", "replicate-secret", "remove-regions", "migrate seal", "write two new versions", "Move the copy", "move the secret", "aws_secretsmanager_secret"} {
						if strings.Contains(text, refused) {
							t.Errorf("%s, %s: the fix says %q:\n%s", control.ID, sentence, refused, text)
						}
					}
				}
			}
		}
	}
}
