package trail

import (
	"slices"
	"strings"
)

// passwordCalls are the calls by which a service may make a secret of its own for the password of a database.
// Source: API References of RDS (also of DocumentDB), Redshift and Redshift Serverless.
var passwordCalls = strings.Fields(`rds:CreateDBCluster rds:CreateDBInstance rds:CreateTenantDatabase rds:ModifyDBCluster rds:ModifyDBInstance
	rds:ModifyTenantDatabase rds:RestoreDBClusterFromS3 rds:RestoreDBInstanceFromDBSnapshot rds:RestoreDBInstanceFromS3 rds:RestoreDBInstanceToPointInTime
	redshift:CreateCluster redshift:ModifyCluster redshift:RestoreFromClusterSnapshot
	redshift-serverless:CreateNamespace redshift-serverless:RestoreFromSnapshot redshift-serverless:UpdateNamespace`)

// MayKeepPassword reports whether a call may have a service keep the password of a database in a secret: its parameters say whether it does.
func (c Change) MayKeepPassword() bool {
	service, _, _ := strings.Cut(c.EventSource, ".")
	return slices.Contains(passwordCalls, service+":"+c.EventName)
}
