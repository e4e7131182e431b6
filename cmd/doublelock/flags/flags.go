// Package flags has the flags whose values are checked when the command line is read: account ids, Regions, ARNs,
// counts, durations and choices. What is refused is refused before anything is done, in one line that says what would do.
package flags

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/shared/arn"
)

// one is a flag with one value, which parse checks.
type one[T any] struct {
	into  *T
	parse func(string) (T, error)
	kind  string // as the help calls a value
}

func (f *one[T]) Type() string { return f.kind }

func (f *one[T]) String() string {
	if f.into == nil {
		return ""
	}
	if moment, is := any(*f.into).(time.Time); is && moment.IsZero() {
		return "" // no default
	}
	return fmt.Sprint(*f.into)
}

func (f *one[T]) Set(text string) error {
	value, err := f.parse(text)
	if err != nil {
		return err
	}
	*f.into = value
	return nil
}

// many is a flag that may be repeated. What is named twice counts once.
type many struct {
	into   *[]string
	parse  func(string) (string, error)
	kind   string
	commas bool // part values
}

func (f *many) Type() string   { return f.kind }
func (f *many) String() string { return strings.Join(*f.into, ",") }

func (f *many) Set(text string) error {
	parts := []string{text}
	if f.commas {
		parts = strings.Split(text, ",")
	}
	for _, part := range parts {
		value, err := f.parse(strings.TrimSpace(part))
		if err != nil {
			return err
		}
		if !slices.Contains(*f.into, value) {
			*f.into = append(*f.into, value)
		}
	}
	return nil
}

// Account adds a flag for the id of an account.
func Account(cmd *cobra.Command, into *string, name, usage string) {
	cmd.Flags().Var(&one[string]{into, ParseAccount, "account"}, name, usage)
}

// Accounts adds a flag for ids of accounts, which may be repeated or parted by commas.
func Accounts(cmd *cobra.Command, into *[]string, name, usage string) {
	cmd.Flags().Var(&many{into, ParseAccount, "account", true}, name, usage)
}

var twelveDigits = regexp.MustCompile(`^[0-9]{12}$`)

// ParseAccount reads the id of an account.
func ParseAccount(text string) (string, error) {
	if !twelveDigits.MatchString(text) {
		return "", fmt.Errorf("an account id has 12 digits, such as 111122223333")
	}
	return text, nil
}

// Region adds a flag for a Region.
func Region(cmd *cobra.Command, into *string, name, usage string) {
	cmd.Flags().Var(&one[string]{into, ParseRegion, "region"}, name, usage)
	completeRegions(cmd, name)
}

// Regions adds a flag for Regions, which may be repeated or parted by commas.
func Regions(cmd *cobra.Command, into *[]string, name, usage string) {
	cmd.Flags().Var(&many{into, ParseRegion, "region", true}, name, usage)
	completeRegions(cmd, name)
}

// ParseRegion reads the code of a Region that has Secrets Manager.
func ParseRegion(text string) (string, error) {
	if arn.KnownPartition(text) == "" {
		return "", fmt.Errorf("no Region with Secrets Manager is known by that code; use one such as eu-central-1")
	}
	return text, nil
}

// CheckRegions refuses Regions that came from the environment or from nowhere, as a flag would.
func CheckRegions(regions []string) error {
	if len(regions) == 0 || regions[0] == "" {
		return fmt.Errorf("no Region; use --region eu-central-1 or set AWS_REGION")
	}
	for _, region := range regions {
		if _, err := ParseRegion(region); err != nil {
			return fmt.Errorf("Region %q: %w", region, err)
		}
	}
	return nil
}

func completeRegions(cmd *cobra.Command, name string) {
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(arn.Regions(), cobra.ShellCompDirectiveNoFileComp))
}

// ARN adds a flag for an ARN of a service, such as kms.
func ARN(cmd *cobra.Command, into *string, service, name, usage string) {
	cmd.Flags().Var(&one[string]{into, arnOf(service), "ARN"}, name, usage)
}

// ARNs adds a flag for ARNs of a service, which may be repeated; a comma is part of one.
func ARNs(cmd *cobra.Command, into *[]string, service, name, usage string) {
	cmd.Flags().Var(&many{into, arnOf(service), "ARN", false}, name, usage)
}

// ExampleARN is an ARN as somebody may write it, of iam, kms or secretsmanager.
func ExampleARN(service string) string {
	const account, region = "111122223333", "eu-central-1"
	switch service {
	case "iam":
		return arn.Standard.Role(account, "app")
	case "kms":
		return arn.PartitionOf(region).New(service, region, account, "key/1234abcd-12ab-34cd-56ef-1234567890ab").String()
	default:
		return arn.PartitionOf(region).New(service, region, account, "secret:shop/db-AbCdEf").String()
	}
}

func arnOf(service string) func(string) (string, error) {
	return func(text string) (string, error) { return ParseARN(text, service) }
}

// ParseARN reads an ARN of a service: iam, kms or secretsmanager.
func ParseARN(text, service string) (string, error) {
	parsed, err := arn.Parse(text)
	if err != nil || parsed.Service != service || parsed.Resource == "" {
		return "", fmt.Errorf("no ARN of %s; write it like %s", service, ExampleARN(service))
	}
	return text, nil
}

// Count adds a flag for a number of at least one. Into holds its default.
func Count(cmd *cobra.Command, into *int, name, usage string) {
	cmd.Flags().Var(&one[int]{into, parseCount, "number"}, name, usage)
}

func parseCount(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("use a whole number of at least 1")
	}
	return n, nil
}

// Duration adds a flag for a time span longer than nothing. Into holds its default.
func Duration(cmd *cobra.Command, into *time.Duration, name, usage string) {
	cmd.Flags().Var(&one[time.Duration]{into, parseDuration, "duration"}, name, usage)
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("use a time span longer than 0, such as 90s, 30m or 24h")
	}
	return d, nil
}

// Since adds a flag for a moment in the past: a time span before now, a day (at 0:00 UTC), or a time with its zone.
func Since(cmd *cobra.Command, into *time.Time, now func() time.Time, name, usage string) {
	parse := func(text string) (time.Time, error) { return parseSince(text, now()) }
	cmd.Flags().Var(&one[time.Time]{into, parse, "time"}, name, usage)
}

var days = regexp.MustCompile(`^([0-9]{1,5})d$`)

func parseSince(text string, now time.Time) (time.Time, error) {
	moment := time.Time{}
	if found := days.FindStringSubmatch(text); found != nil {
		n, _ := strconv.Atoi(found[1]) // digits
		moment = now.AddDate(0, 0, -n)
	} else if span, err := time.ParseDuration(text); err == nil {
		moment = now.Add(-span)
	} else {
		for _, layout := range []string{time.RFC3339, time.DateOnly} {
			if at, err := time.Parse(layout, text); err == nil {
				moment = at
			}
		}
	}
	if moment.IsZero() || !moment.Before(now) {
		return time.Time{}, fmt.Errorf("use a moment in the past: a time span such as 90m or 7d, a day such as 2026-05-04, or 2026-05-04T07:00:00Z")
	}
	return moment, nil
}

// Choice adds a flag for one of some words. Into holds its default.
func Choice(cmd *cobra.Command, into *string, words []string, name, usage string) {
	cmd.Flags().Var(&one[string]{into, wordOf(words), "word"}, name, usage)
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// Choices adds a flag for some of some words, which may be repeated or parted by commas.
func Choices(cmd *cobra.Command, into *[]string, words []string, name, usage string) {
	cmd.Flags().Var(&many{into, wordOf(words), "word", true}, name, usage)
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

func wordOf(words []string) func(string) (string, error) {
	return func(text string) (string, error) {
		if !slices.Contains(words, text) {
			last := len(words) - 1
			return "", fmt.Errorf("use %s or %s", strings.Join(words[:last], ", "), words[last])
		}
		return text, nil
	}
}
