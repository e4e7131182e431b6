package trail

import "strings"

// toolMarks names tools by what their user agents contain; the first that matches wins. Pulumi's provider is built
// on Terraform's, and every tool is built on an SDK, so the order goes from the outside in.
var toolMarks = []struct{ mark, tool string }{
	{"pulumi", "pulumi"},
	{"terraform", "terraform"},
	{"opentofu", "terraform"},
	{"hashicorp", "terraform"},
	{"aws-cdk", "cdk"},
	{"cdk-cli", "cdk"},
	{"cloudformation", "cloudformation"},
	{"console.amazonaws.com", "console"},
	{"signin.amazonaws.com", "console"},
	{"aws-cli/", "cli"},
	{"aws-sdk-", "sdk"},
	{"aws-sdk/", "sdk"},
	{"boto3/", "sdk"},
	{"botocore/", "sdk"},
}

// Tool names what the caller used: terraform, cloudformation, cdk, pulumi, console, cli, sdk, or "" when the user
// agent does not say. It names the tool for people; a user agent is the caller's to choose and proves nothing.
func Tool(userAgent string) string {
	if strings.HasPrefix(userAgent, "Mozilla/") {
		return "console"
	}
	lower := strings.ToLower(userAgent)
	for _, m := range toolMarks {
		if strings.Contains(lower, m.mark) {
			return m.tool
		}
	}
	return ""
}
