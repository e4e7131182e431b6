package snapshots_test

import (
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

func iamTags(key, value string) []iamtypes.Tag { return []iamtypes.Tag{{Key: &key, Value: &value}} }

func secretTags(key, value string) []smtypes.Tag { return []smtypes.Tag{{Key: &key, Value: &value}} }
