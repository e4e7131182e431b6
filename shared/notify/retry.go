package notify

import (
	"fmt"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
)

// regionThere is what an owner replaces by the Region whose secret may be overwritten. It is no Region, so the command fails until then.
const regionThere = "REGION"

// retryFix has the replication tried again of the finding's replicas that failed, each under a customer managed key of its Region;
// ok is false where none did. Whether a secret of the same name is in the way nobody reads out of a sentence of AWS's: how it is
// overwritten comes last, and changes nothing as it is printed.
// Source: user guide, "Troubleshoot AWS Secrets Manager replication".
func retryFix(n guard.Notice, keys Keys) (fix Fix, ok bool) {
	var regions, without, again, found, force []string
	for i := range n.Finding.Subject.Replicas {
		r := &n.Finding.Subject.Replicas[i]
		if !r.Failed() {
			continue
		}
		region := OneLine(r.Region)
		regions = append(regions, region)
		key := replicaKey(r, keys)
		if key == "" {
			without = append(without, region)
			continue
		}
		again = append(again, replicate(n.Resource, region, key, ""))
		found = append(found, fmt.Sprintf("aws secretsmanager describe-secret --region %s --secret-id %s", shellWord(region), shellWord(n.Name)))
		force = append(force, replicate(n.Resource, regionThere, key, " --force-overwrite-replica-secret"))
	}
	if len(regions) == 0 {
		return Fix{}, false
	}
	where := strings.Join(regions, ", ")
	fix = Fix{
		Say: "Remove the cause that Secrets Manager names, then have the replication to " + where + " tried again. Do not remove the replica: its readers would fail.",
		First: "First: a key that is disabled is enabled, or another is named; a Region that is switched off is switched on. Whoever runs this needs secretsmanager:ReplicateSecretToRegions, " +
			"kms:Decrypt on the key of the secret, and kms:GenerateDataKey, kms:Encrypt and kms:Decrypt on that of the replica.",
	}
	if len(without) > 0 {
		fix.First += " doublelock.yaml names no key for " + strings.Join(without, ", ") + ": ask the security team for one."
	}
	if len(again) == 0 {
		return fix, true
	}
	again = append(again, onSecret("describe-secret", n.Resource, " --query ReplicationStatus"))
	fix.In, fix.Lines = "a shell", again
	fix.Then = "The last command says InSync when it is done, or Failed and why. AWS documents a retry in its console; that this call is one is not proved on a live account: if AWS refuses, nothing has changed."
	fix.Next = &Fix{
		Say: "Where a secret of the same name is in the way there, this says what it is.", In: "a shell", Lines: found,
		Next: &Fix{
			Say: "If somebody needs it, make the secret under another name and replicate that. Only if nobody does, overwrite it: what it holds is lost for good. Put " + where + " in place of " + regionThere + ": as it is printed the command fails and changes nothing.",
			In:  "a shell", Lines: force,
		},
	}
	return fix, true
}

// replicaKey is the key for a replica to be made anew: its own, unless that is the AWS managed one or is not known.
func replicaKey(r *guard.Replica, keys Keys) string {
	if r.Key.Manager == guard.ManagerCustomer && r.Key.ARN != "" {
		return r.Key.ARN
	}
	return keys.in(r.Region)
}

// replicate asks for a replica in a Region, in the primary's.
func replicate(secret, region, key, more string) string {
	return onSecret("replicate-secret-to-regions", secret, " --add-replica-regions "+shellWord("Region="+region+",KmsKeyId="+OneLine(key))+more)
}
