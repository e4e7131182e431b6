package preventive

import "github.com/doublelock/doublelock/shared/guard"

// Partition is the AWS partition of a Region: the second part of every ARN there.
func Partition(region string) string { return guard.Partition(region) }
