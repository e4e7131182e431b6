package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

func main() {
	err := run(os.Stderr)
	jsii.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run synthesizes into CDK_OUTDIR (the CDK command line sets it) and writes to w what an operator should know.
func run(w io.Writer) error {
	root, err := projectRoot()
	if err != nil {
		return err
	}
	context, err := cdkContext(root)
	if err != nil {
		return err
	}
	app := awscdk.NewApp(&awscdk.AppProps{Context: &context, AnalyticsReporting: jsii.Bool(false)})
	file, err := loadConfig(app, root, w)
	if err != nil {
		return err
	}
	in := Input{Channels: channels.All(), Config: file.Config, Rules: trail.RulesWith(file.Config.Migration.Forwards()), Dist: filepath.Join(root, "dist"), Context: context}
	if err := Build(app, in, w); err != nil {
		return file.Locate(err)
	}
	return synth(app)
}

// synth writes the templates. CDK panics on a template that CloudFormation would refuse; its report is printed already.
func synth(app awscdk.App) (err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("synthesize: %v", problem)
		}
	}()
	app.Synth(nil)
	return nil
}

// envConfigFile names doublelock.yaml; the CDK context "config" goes before it.
const envConfigFile = "DOUBLELOCK_CONFIG_FILE"

// loadConfig reads the configuration that the operator names, else doublelock.yaml, else the committed sample, so
// that a fresh clone synthesizes. The sample's accounts are nobody's: nothing can be deployed with it by mistake. A
// waiver that has expired does not stop a synthesis, which must not depend on the day; it only stops excusing.
func loadConfig(app awscdk.App, root string, w io.Writer) (*settings.File, error) {
	if path, ok := app.Node().TryGetContext(jsii.String("config")).(string); ok && path != "" {
		return settings.Open(path, time.Time{})
	}
	if path := os.Getenv(envConfigFile); path != "" {
		return settings.Open(path, time.Time{})
	}
	path := filepath.Join(root, "doublelock.yaml")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		path = filepath.Join(root, "testdata", "config", "sample.yaml")
		fmt.Fprintf(w, "no doublelock.yaml here: synthesizing the sample %s\n", path)
	}
	return settings.Open(path, time.Time{})
}
