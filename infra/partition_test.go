package main

import (
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/testdata/config"
	"github.com/doublelock/doublelock/testdata/templates"
)

var (
	anyARN      = regexp.MustCompile(`arn:([^:"\\]+):`)
	anyRegional = regexp.MustCompile(`"[a-z-]+\.([a-z]+(?:-[a-z]+)+-\d)\.([a-z.]+)\\?"`)
)

// inPartition reports what in a template belongs to another partition than that of a Region. A pattern may name them all.
func inPartition(text, home string) []string {
	p := arn.PartitionOf(home)
	var wrong []string
	for _, m := range anyARN.FindAllStringSubmatch(text, -1) {
		if !slices.Contains([]string{string(p), "*", "aws*", "${AWS", "aws[a-z-]*"}, m[1]) {
			wrong = append(wrong, m[0])
		}
	}
	for _, service := range []string{"secretsmanager", "dynamodb", "sns", "sqs"} { // a policy names both forms of kms:ViaService
		if forms := p.ViaService(service, home); len(forms) > 1 && strings.Contains(text, `"`+forms[0]+`"`) {
			text = strings.ReplaceAll(text, `"`+forms[1]+`"`, "")
		}
	}
	for _, m := range anyRegional.FindAllStringSubmatch(text, -1) {
		if arn.PartitionOf(m[1]) != p || m[2] != p.Suffix() {
			wrong = append(wrong, m[0])
		}
	}
	slices.Sort(wrong)
	return slices.Compact(wrong)
}

func TestEveryTemplateIsOfItsPartitionAlone(t *testing.T) {
	for name := range configurations {
		config, err := configuration(strings.Replace(name, "whole", "sample", 1))
		if err != nil {
			t.Fatal(err)
		}
		templates, err := configurations[name]()
		if err != nil {
			t.Fatal(err)
		}
		for stack, tpl := range templates {
			if wrong := inPartition(text(tpl.raw), config.Regions.Home); wrong != nil {
				t.Errorf("%s/%s in %s names %q", name, stack, config.Regions.Home, wrong)
			}
		}
	}
}

// The European, the secret and the top secret partitions have templates of no demo, and host names of their own.
func TestTheAppSynthesizesInEveryPartition(t *testing.T) {
	for _, regions := range [][2]string{
		{"eusc-de-east-1", "eusc-de-east-1"}, {"us-iso-east-1", "us-iso-west-1"}, {"us-isob-west-1", "us-isob-east-1"},
		{"eu-isoe-west-1", "eu-isoe-west-1"}, {"us-isof-south-1", "us-isof-east-1"},
	} {
		t.Run(regions[0], func(t *testing.T) {
			config := inHome(big(), regions)
			hub, stacks := synthesizeAll(t, config)
			if regional := `"sqs.` + regions[0] + "." + arn.PartitionOf(regions[0]).Suffix() + `"`; !strings.Contains(text(hub.raw), regional) {
				t.Errorf("the hub's key is not used through %s", regional)
			}
			for name, tpl := range stacks {
				if wrong := inPartition(text(tpl.raw), regions[0]); wrong != nil {
					t.Errorf("%s names %q", name, wrong)
				}
			}
			if name := "doublelock-member-" + arn.PartitionOf(regions[0]).OrganizationsRegion(); stacks[name].Resources == nil {
				t.Errorf("nothing forwards the events of Organizations: there is no %s", name)
			}
		})
	}
}

// inHome moves a configuration to two Regions of another partition.
func inHome(c settings.Config, regions [2]string) settings.Config {
	c.Regions.Home, c.Regions.Guarded = regions[0], slices.Compact(regions[:])
	for i, pattern := range c.BreakGlass {
		c.BreakGlass[i] = strings.Replace(pattern, "arn:aws:", "arn:"+string(arn.PartitionOf(regions[0]))+":", 1)
	}
	return c
}

// synthesizeAll lists every stack of the app by its name, and its hub.
func synthesizeAll(t *testing.T, config settings.Config) (hub template, all stacks) {
	t.Helper()
	in, err := input(config, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	app := awscdk.NewApp(&awscdk.AppProps{Context: &in.Context, Outdir: jsii.String(t.TempDir())})
	if err := Build(app, in, io.Discard); err != nil {
		t.Fatal(err)
	}
	all = stacks{}
	for _, artifact := range *app.Synth(nil).Stacks() {
		parsed, err := parse(artifact.Template())
		if err != nil {
			t.Fatal(err)
		}
		all[*artifact.StackName()] = parsed
	}
	return all["doublelock-hub"], all
}

func TestTheTemplatesOfTheDemoAreThereInEveryPartition(t *testing.T) {
	for _, p := range config.Partitions() {
		s, err := templates.For(p)
		if err != nil {
			t.Fatal(err)
		}
		for name, raw := range map[string][]byte{"org": s.Org, "hub": s.Hub, "member": s.Member} {
			if !strings.Contains(string(raw), `"Resources"`) || name == "hub" && !strings.Contains(string(raw), "arn:"+string(p)+":") {
				t.Errorf("%s: %s is no template of it", p, name)
			}
		}
	}
	if _, err := templates.For("aws-moon"); err == nil {
		t.Error("templates of a partition that does not exist")
	}
}
