package guard

import "fmt"

// foreignFixes are the owning services' own ways to a customer managed key.
// Source: each service's user guide on the secrets it manages; the key of an RDS master user secret is chosen when
// management is turned on and cannot be changed later (ModifyDBInstance, MasterUserSecretKmsKeyId).
var foreignFixes = map[string]string{
	"rds":      "In RDS, turn managed master passwords off and on again: modify-db-instance --no-manage-master-user-password with a new password, then --manage-master-user-password --master-user-secret-kms-key-id KEY. The ARN of the secret changes.",
	"redshift": "In Redshift: modify-cluster --manage-master-password --master-password-secret-kms-key-id KEY.",
	"events":   "In EventBridge: update-connection --kms-key-identifier KEY on the connection that owns the secret.",
	"ecs-sc":   "In Amazon ECS: set kmsKey in the Service Connect TLS configuration and deploy the service again.",
	"appflow":  "In AppFlow: create the connector profile again with kmsArn set, then move its flows.",
	"databrew": "In DataBrew: create the dataset's secret yourself under KEY and name it in the job.",
	"datasync": "In DataSync: update the location with a customer managed secret configuration under KEY.",
}

func foreignFix(service string) string {
	if fix, ok := foreignFixes[service]; ok {
		return fix
	}
	return fmt.Sprintf("Choose a customer managed key in %s, where the secret is made; Secrets Manager refuses to change it from outside.", service)
}
