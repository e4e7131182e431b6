package flags_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/flags"
)

// values are what a command line of every kind of flag was read into.
type values struct {
	Account, Region, ARN, Choice     string
	Accounts, Regions, ARNs, Choices []string
	Count                            int
	Duration                         time.Duration
}

func read(args ...string) (values, error) {
	v := values{Count: 4, Duration: time.Hour, Choice: "red"}
	cmd := &cobra.Command{Use: "x", SilenceUsage: true, SilenceErrors: true, Run: func(*cobra.Command, []string) {}}
	flags.Account(cmd, &v.Account, "account", "")
	flags.Accounts(cmd, &v.Accounts, "accounts", "")
	flags.Region(cmd, &v.Region, "region", "")
	flags.Regions(cmd, &v.Regions, "regions", "")
	flags.ARN(cmd, &v.ARN, "kms", "arn", "")
	flags.ARNs(cmd, &v.ARNs, "iam", "arns", "")
	flags.Count(cmd, &v.Count, "count", "")
	flags.Duration(cmd, &v.Duration, "duration", "")
	flags.Choice(cmd, &v.Choice, []string{"red", "green", "blue"}, "choice", "")
	flags.Choices(cmd, &v.Choices, []string{"red", "green", "blue"}, "choices", "")
	cmd.SetArgs(args)
	return v, cmd.Execute()
}

func TestValuesThatAreRight(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		want values
	}{
		"defaults": {nil, values{Count: 4, Duration: time.Hour, Choice: "red"}},
		"one of each": {
			[]string{"--account", "012345678901", "--region", "cn-north-1", "--arn", "arn:aws-cn:kms:cn-north-1:111122223333:key/k", "--count", "9", "--duration", "90s", "--choice", "blue"},
			values{Account: "012345678901", Region: "cn-north-1", ARN: "arn:aws-cn:kms:cn-north-1:111122223333:key/k", Count: 9, Duration: 90 * time.Second, Choice: "blue"},
		},
		"repeated, with commas, and twice the same": {
			[]string{"--accounts", "111122223333,444455556666", "--accounts", "111122223333", "--regions", "eu-west-1, us-east-1", "--choices", "red", "--choices", "blue",
				"--arns", "arn:aws:iam::111122223333:role/a,b"},
			values{Accounts: []string{"111122223333", "444455556666"}, Regions: []string{"eu-west-1", "us-east-1"}, Choices: []string{"red", "blue"},
				ARNs: []string{"arn:aws:iam::111122223333:role/a,b"}, Count: 4, Duration: time.Hour, Choice: "red"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := read(tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestValuesThatAreRefusedSayWhatWouldDo(t *testing.T) {
	for flag, wrong := range map[string]struct {
		values []string
		fix    string
	}{
		"--account":  {[]string{"12", "abc", "", "1111222233334", "111122223333 ", "１１１１２２２２３３３３"}, "12 digits, such as 111122223333"},
		"--accounts": {[]string{"12", "111122223333,", "111122223333,abc"}, "12 digits, such as 111122223333"},
		"--region":   {[]string{"mars-1", "", "EU-WEST-1", "eu-wset-1"}, "use one such as eu-central-1"},
		"--regions":  {[]string{"eu-west-1,mars-1"}, "use one such as eu-central-1"},
		"--arn":      {[]string{"notarn", "arn:aws:kms", "arn:aws:iam::111122223333:role/a", "arn:aws:kms:eu-west-1:111122223333:"}, "write it like arn:aws:kms:"},
		"--arns":     {[]string{"notarn", "arn:aws:kms:eu-west-1:111122223333:key/k"}, "write it like arn:aws:iam::111122223333:role/app"},
		"--count":    {[]string{"0", "-3", "1.5", "many", "99999999999999999999"}, "at least 1"},
		"--duration": {[]string{"-1h", "0", "5", "soon"}, "such as 90s, 30m or 24h"},
		"--choice":   {[]string{"RED", "", "yellow"}, "use red, green or blue"},
		"--choices":  {[]string{"red,yellow"}, "use red, green or blue"},
	} {
		for _, value := range wrong.values {
			_, err := read(flag + "=" + value)
			if err == nil || !strings.Contains(err.Error(), wrong.fix) || !strings.Contains(err.Error(), flag) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s=%q: %v", flag, value, err)
			}
		}
	}
}
