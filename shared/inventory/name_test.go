package inventory_test

import (
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
)

func TestANameMeansThePrimaryAndNotItsReplicas(t *testing.T) {
	secret := func(region, account, primaryRegion string) inventory.Secret {
		return inventory.Secret{Facts: guard.Secret{ARN: "arn:aws:secretsmanager:" + region + ":" + account + ":secret:t/rep-AbCdEf",
			Name: "t/rep", Account: account, Region: region, PrimaryRegion: primaryRegion}}
	}
	const shop, search = "111122223333", "444455556666"
	replica, primary := secret("eu-west-1", shop, "us-east-1"), secret("us-east-1", shop, "us-east-1")
	for name, tt := range map[string]struct {
		secrets  []inventory.Secret
		id, want string
	}{
		"by name":                           {[]inventory.Secret{replica, primary}, "t/rep", primary.Facts.ARN},
		"a replica by ARN":                  {[]inventory.Secret{replica, primary}, replica.Facts.ARN, replica.Facts.ARN},
		"a replica alone in the snapshot":   {[]inventory.Secret{replica}, "t/rep", replica.Facts.ARN},
		"a namesake in another account":     {[]inventory.Secret{replica, primary, secret("us-east-1", search, "")}, "t/rep", "2 secrets have this name"},
		"a namesake that is no copy of it":  {[]inventory.Secret{primary, secret("eu-west-1", shop, "")}, "t/rep", "2 secrets have this name"},
		"the example is one that was meant": {[]inventory.Secret{replica, primary, secret("us-east-1", search, "")}, "t/rep", "such as " + primary.Facts.ARN},
	} {
		found, err := inventory.Prepare(inventory.Snapshot{Secrets: tt.secrets}).Secret(tt.id)
		switch {
		case err != nil && !strings.Contains(err.Error(), tt.want):
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		case err == nil && found.Facts.ARN != tt.want:
			t.Errorf("%s: %s, want %s", name, found.Facts.ARN, tt.want)
		}
	}
}
