package preventive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// rotationDays is how often a key that we write code for rotates.
const rotationDays = 90

// KeyTerraform is a key with the policy, as Terraform (AWS provider 5.x and later).
func KeyTerraform(d Document) (string, error) {
	text, err := indented(d, "  ")
	if err != nil {
		return "", err
	}
	text = strings.ReplaceAll(text, "${", "$${") // an IAM variable, not Terraform's
	return fmt.Sprintf(`resource "aws_kms_key" "secrets" {
  description             = "Secrets"
  enable_key_rotation     = true
  rotation_period_in_days = %d
  deletion_window_in_days = 30
  policy                  = jsonencode(%s)
}
`, rotationDays, text), nil
}

// KeyCDK is a key with the policy, as CDK in TypeScript.
func KeyCDK(d Document) (string, error) {
	text, err := indented(d, "  ")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`new kms.Key(this, 'Secrets', {
  enableKeyRotation: true,
  rotationPeriod: cdk.Duration.days(%d),
  pendingWindow: cdk.Duration.days(30),
  removalPolicy: cdk.RemovalPolicy.RETAIN,
  policy: iam.PolicyDocument.fromJson(%s),
});
`, rotationDays, text), nil
}

// Indented is the document for people to read.
func (d Document) Indented() (string, error) { return indented(d, "") }

func indented(d Document, prefix string) (string, error) {
	text, err := d.JSON()
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(text), prefix, "  "); err != nil {
		return "", fmt.Errorf("render policy: %w", err)
	}
	return out.String(), nil
}
