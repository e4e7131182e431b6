package sandbox

import (
	"archive/zip"
	"bytes"
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

func (s *Session) lambda() *lambda.Client { return session.Client(s.c, s.at(), lambda.NewFromConfig) }

// handler does nothing: it is asked for, not run.
const handler = "def handler(event, context):\n    return None\n"

// CreateRotator makes a function that Secrets Manager may invoke, which does nothing, and answers its ARN.
func (s *Session) CreateRotator(ctx context.Context, what, roleARN string) (string, error) {
	name, err := s.intend(Function, what)
	if err != nil {
		return "", err
	}
	code, err := packed("index.py", handler)
	if err != nil {
		return "", err
	}
	out, err := s.lambda().CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: &name, Role: &roleARN, Runtime: types.RuntimePython313,
		Handler: aws.String("index.handler"), Code: &types.FunctionCode{ZipFile: code}, Tags: map[string]string{TagKey: string(s.run)}})
	if err != nil {
		return "", session.Fail(err, "create function %s", name)
	}
	_, err = s.lambda().AddPermission(ctx, &lambda.AddPermissionInput{FunctionName: &name, StatementId: aws.String("SecretsManager"),
		Action: aws.String("lambda:InvokeFunction"), Principal: aws.String("secretsmanager.amazonaws.com"), SourceAccount: aws.String(s.account)})
	return aws.ToString(out.FunctionArn), session.Fail(err, "let Secrets Manager invoke %s", name)
}

func packed(name, text string) ([]byte, error) {
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	file, err := archive.Create(name)
	if err == nil {
		_, err = file.Write([]byte(text))
	}
	if err == nil {
		err = archive.Close()
	}
	return out.Bytes(), err
}

func (s *Session) removeFunction(ctx context.Context, name string) error {
	arn := s.Partition().New("lambda", s.region, s.account, "function:"+name).String()
	tags, err := s.lambda().ListTags(ctx, &lambda.ListTagsInput{Resource: &arn})
	if err != nil {
		return session.Fail(err, "list tags of function %s", name)
	}
	if !s.run.owns(name, tags.Tags[TagKey]) {
		return notOurs(Function, name)
	}
	_, err = s.lambda().DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: &name})
	return session.Fail(err, "delete function %s", name)
}

func (s *Session) findFunctions(ctx context.Context) ([]string, error) {
	var names []string
	pages := lambda.NewListFunctionsPaginator(s.lambda(), &lambda.ListFunctionsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, session.Fail(err, "list functions")
		}
		for _, f := range page.Functions {
			if s.run.of(aws.ToString(f.FunctionName)) {
				names = append(names, aws.ToString(f.FunctionName))
			}
		}
	}
	return names, nil
}
