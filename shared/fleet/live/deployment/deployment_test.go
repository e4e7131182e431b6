package deployment_test

import (
	"slices"
	"testing"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/fleet/live/deployment"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

// What the doctor expects follows from the configuration: Regions, SCPs, and the events of Organizations wherever they
// are written.
func TestDoctorExpectsWhatIsDeployed(t *testing.T) {
	config, err := settings.Load("../../../../testdata/config/sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := cloud.Open(t.Context(), cloud.Options{Region: config.Regions.Home, Credentials: &cloud.Static{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}})
	if err != nil {
		t.Fatal(err)
	}
	expected := func() fleet.Expected {
		d, err := deployment.Doctor(c, config, []string{"detect"})
		if err != nil {
			t.Fatal(err)
		}
		return d.Expected
	}
	e := expected()
	if len(e.SCPs) != 3 || e.Elsewhere != nil || e.BusARN != "arn:aws:events:us-east-1:222222222222:event-bus/doublelock" || e.Config == "" {
		t.Errorf("%+v", e)
	}
	for home, want := range map[string]string{"us-gov-east-1": "us-gov-west-1", "cn-north-1": "cn-northwest-1", "eu-west-1": "us-east-1"} {
		config.Regions.Home, config.Regions.Guarded = home, []string{home}
		e = expected()
		if len(e.Elsewhere) != 1 || e.Elsewhere[0].Region != want || e.Elsewhere[0].Account != config.Organization.ManagementAccount {
			t.Fatalf("%s: where Organizations writes is not looked at: %+v", home, e.Elsewhere)
		}
	}
	if want := e.Elsewhere[0].Rules[0].Name; !slices.ContainsFunc(trail.Rules(), func(r trail.Rule) bool { return r.Name == want }) {
		t.Errorf("no rule is called %s", want)
	}
}
