package conformance_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	command "github.com/doublelock/doublelock/cmd/doublelock/conformance"

	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
)

// script writes a program that is started in place of a stand-in's.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	return path
}

// A bad day of a stand-in is no answer: one line says so, and the exit code is that of an error.
func TestAStandInThatDoesNotStartIsNotOneThatAnswersOtherwise(t *testing.T) {
	for _, against := range []string{"moto", "ministack"} {
		for name, tt := range map[string]struct{ program, want string }{
			"it is not there":        {"/nonexistent", "conformance: start "},
			"it cannot be run":       {t.TempDir(), "conformance: start "},
			"its port is taken":      {script(t, "echo starting; echo Address already in use; exit 1"), "did not start: nothing was tried on it: " + against + " ended before it was stopped"},
			"it says nothing":        {script(t, "exit 3"), "(exit status 3); it printed nothing\n"},
			"it says two things":     {script(t, "if [ -e tried ]; then exit 4; fi; touch tried; exit 3"), "(exit status 3); it printed nothing, and then: " + against + " ended before it was stopped: what failed since says nothing (exit status 4); it printed nothing\n"},
			"it dies while starting": {script(t, "sleep 0.1; kill -9 $$"), "did not start: nothing was tried on it: "},
		} {
			t.Run(against+", "+name, func(t *testing.T) {
				stdout, stderr, code := run(t, "--against", against, "--program", tt.program, "--question", "kms.trailing-days")
				if code != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, tt.want) {
					t.Errorf("exit code %d: %s%s", code, stdout, stderr)
				}
				if strings.Contains(stderr, "its log ends:\n") || strings.Count(stderr, "its log ends:") > 1 {
					t.Errorf("it announces a log that is not there, or one twice: %s", stderr)
				}
				if name == "its port is taken" && !strings.Contains(stderr, "Address already in use") {
					t.Errorf("it does not say why: %s", stderr)
				}
			})
		}
	}
}

func TestAStandInThatHangsIsLeftWithASignal(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	began := time.Now()
	_, stderr, code := commandtest.Line{New: command.New, Ends: ctx}.Run(t, "conformance", "--against", "moto", "--program", script(t, "exec sleep 60"))
	if code != 1 || time.Since(began) > 10*time.Second || !strings.Contains(stderr, "conformance: stopped while moto was started") {
		t.Errorf("exit code %d after %s: %s", code, time.Since(began), stderr)
	}
}

// This test's own program stands in for moto: it is ready, and dies when it is asked for anything else.
func TestMain(m *testing.M) {
	if port := os.Getenv("READY_ON"); port != "" {
		mux := http.NewServeMux()
		mux.HandleFunc("/moto-api/", func(http.ResponseWriter, *http.Request) {})
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if !strings.Contains(string(body), "GetCallerIdentity") {
				os.Exit(7)
			}
			_, _ = io.WriteString(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::444455556666:user/me</Arn><UserId>x</UserId><Account>444455556666</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
		})
		_ = http.ListenAndServe(net.JoinHostPort("127.0.0.1", port), mux) //nolint:gosec // until it is killed
		os.Exit(8)
	}
	os.Exit(m.Run())
}

func TestAStandInThatDiesWhileItIsAskedHasAnsweredNothing(t *testing.T) {
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := run(t, "--against", "moto", "--program", script(t, `READY_ON="$4" exec '`+own+`'`), "--question", "kms.trailing-days")
	if code != 1 || stdout != "" || !strings.Contains(stderr, "doublelock: conformance: moto ended before it was stopped: what failed since says nothing (exit status 7)") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
}
