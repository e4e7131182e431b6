package guard_test

import (
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

var (
	now        = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	awsKey     = guard.Key{ID: guard.DefaultKeyID, Manager: guard.ManagerAWS, State: guard.KeyEnabled}
	ownKey     = customerKey("111122223333", "1234abcd-12ab-34cd-56ef-1234567890ab")
	otherKey   = customerKey("111122223333", "0987dcba-09fe-87dc-65ba-ab0987654321")
	centralKey = customerKey("444455556666", "1111aaaa-22bb-33cc-44dd-5555eeee6666")
)

const arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:shop/db-a1b2c3"

func customerKey(account, id string) guard.Key {
	return guard.Key{
		ARN: "arn:aws:kms:us-east-1:" + account + ":key/" + id, ID: id, Account: account, Region: "us-east-1",
		Manager: guard.ManagerCustomer, State: guard.KeyEnabled,
	}
}

func inState(key guard.Key, state guard.KeyState) guard.Key {
	key.State = state
	return key
}

// secret has one current version that the keys open.
func secret(key guard.Key, opens ...guard.Key) guard.Secret {
	return guard.Secret{
		ARN: arn, Name: "shop/db", Account: "111122223333", Region: "us-east-1", KeyID: key.ARN, Key: key,
		Versions:  []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: opens}},
		Elsewhere: guard.Elsewhere{Listing: guard.Listed},
	}
}

func with(s guard.Secret, change func(*guard.Secret)) guard.Secret {
	change(&s)
	return s
}
