package doubles

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Double is one of the clouds that stand in for AWS and that nobody here wrote.
type Double string

// The doubles, as docs/differences.md calls them.
const (
	Moto      Double = "moto"
	MiniStack Double = "ministack"
)

// kind is what is particular to a double.
type kind struct {
	program string // below the repository's root
	setup   string // what installs it
	health  string // path that answers 200 when it is ready
	command func(o Options, port string) (args, env []string)
}

var kinds = map[Double]kind{
	Moto: {
		program: ".venv/bin/moto_server", setup: "make setup", health: "/moto-api/",
		command: func(_ Options, port string) (args, env []string) { return []string{"-H", "127.0.0.1", "-p", port}, nil },
	},
	MiniStack: {
		program: ".venv-strangers/bin/ministack", setup: "make .venv-strangers/.installed", health: "/_localstack/health",
		command: miniStack,
	},
}

// miniStack is told everything by its environment.
func miniStack(o Options, port string) (args, env []string) {
	env = []string{
		"BIND_HOST=127.0.0.1", "GATEWAY_PORT=" + port, "MINISTACK_HOST=127.0.0.1",
		"AWS_ENDPOINT_URL=" + o.scheme() + "://127.0.0.1:" + port, // where functions find AWS
		"AUTH=true", // policies count, of functions and of the roles that they assume
		"IOT_MTLS_ENABLED=0", "SFTP_ENABLED=0", "DOCKER_HOST=unix:///nonexistent",
	}
	if o.Certificate != "" {
		env = append(env, "USE_SSL=1", "MINISTACK_SSL_CERT="+o.Certificate, "MINISTACK_SSL_KEY="+o.Key, "SSL_CERT_FILE="+o.Certificate)
	}
	return nil, env
}

// Options say how a double is run.
type Options struct {
	Program string // the double's program; see Double.Program
	Dir     string // an empty folder of its own: its home, its temporary files and its log

	// Certificate and Key are PEM files with which ministack serves HTTPS; "" is HTTP. Client trusts them.
	Certificate, Key string
	Client           *http.Client  // asks whether it is ready; default http.DefaultClient
	Patience         time.Duration // how long a start may take; default 60 s
}

func (o Options) scheme() string {
	if o.Certificate != "" {
		return "https"
	}
	return "http"
}

// Program is the double's program below the repository's root. The error says what installs it, and is fs.ErrNotExist
// where it is not installed.
func (d Double) Program(root string) (string, error) {
	path, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(kinds[d].program)))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return "", fmt.Errorf("find %s (%s installs it): %w", d, kinds[d].setup, err)
	}
	return path, nil
}

// Command is what the double's program is called where it is installed.
func (d Double) Command() string { return filepath.Base(kinds[d].program) }

// freePort is a port of loopback that was free a moment ago.
func freePort(ctx context.Context) (string, error) {
	var free net.ListenConfig
	listener, err := free.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = listener.Close() }() // nothing was sent
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}
