package inventory

import (
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

const putKeyPolicy = "kms:PutKeyPolicy"

// Manages says whether somebody of the account of a key of the snapshot, who is there and is no service, may change its policy: the best
// answer. All layers count, for the root user as well, which SCPs and RCPs bind in a member account. What no IAM policy allows now, and the
// key policy leaves to them, is not certain: somebody may give it.
// Source: KMS API Reference, PutKeyPolicy: "Cross-account use: No"; Organizations User Guide, "SCP evaluation": SCPs affect the root user.
func (a *Access) Manages(keyARN string) policy.Decision {
	k := a.keys[keyARN]
	if k == nil {
		return doubtful("the key is not in the snapshot")
	}
	account := k.Facts.Account
	t := a.keyTarget(k)
	t.Policy = a.keyPolicy(k) // whom AWS RAM shares the key with is of another account
	t.Context["aws:RequestedRegion"] = []string{k.Facts.Region}
	delete(t.Context, "aws:CurrentTime") // a day must not be the last
	delete(t.Context, "aws:EpochTime")
	t.Context["kms:BypassPolicyLockoutSafetyCheck"] = []string{"false"} // the caller's choice
	names := []string{arn.Of(keyARN).Partition.Root(account)}
	for i := range a.snapshot.Principals {
		p, err := policy.ParsePrincipal(a.snapshot.Principals[i].ARN)
		if err == nil && p.Account == account && !p.ServiceLinked() {
			names = append(names, a.snapshot.Principals[i].ARN)
		}
	}
	best := refused("nothing lets anybody who is there change the key policy")
	var ungiven string
	for _, name := range names {
		askers, err := a.askers(name)
		if err != nil {
			return doubtful(err.Error())
		}
		for _, w := range askers {
			d := ask(w, &t, putKeyPolicy)
			if d.Answer == policy.Allowed && w.only != "" {
				d = doubtful(w.only)
			}
			switch d.Answer {
			case policy.Allowed:
				return d
			case policy.Unknown:
				if best.Answer != policy.Unknown {
					best = d
				}
			default:
				if d.Answer == policy.ExplicitlyDenied && best.Answer == policy.ImplicitlyDenied {
					best = d
				}
				if ungiven != "" {
					continue
				}
				given := *w
				given.policies.Identity = []*policy.Document{everything}
				if !denied(ask(&given, &t, putKeyPolicy).Answer) {
					ungiven = name
				}
			}
		}
	}
	if best.Answer == policy.Unknown {
		return best
	}
	if ungiven != "" {
		return doubtful("no IAM policy allows it to anybody whom the key policy leaves it to, such as " + ungiven)
	}
	if why := a.PrincipalsUnread(account); why != "" {
		w := &asker{principal: policy.Principal{Kind: policy.KindSomebody, Account: account}}
		a.addOrganization(w)
		w.policies.Identity = []*policy.Document{missing("their own", why)}
		if !denied(ask(w, &t, putKeyPolicy).Answer) {
			return doubtful("nobody whom the snapshot holds may change the key policy, and not all principals of the account were read: " + why)
		}
	}
	return best
}
