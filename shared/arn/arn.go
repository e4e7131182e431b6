package arn

import (
	"bytes"
	"fmt"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws/arn"
)

// ARN is an ARN in its parts. It is comparable. The zero ARN is what is no ARN.
type ARN struct {
	Partition Partition
	Service   string
	Region    string // "" where the service is global
	Account   string // 12 digits; "" where a resource has no account; "aws" for policies that AWS manages
	Resource  string // all that follows, colons included
}

// Parse reads an ARN. What has fewer than six fields, or does not begin with "arn:", is an error.
func Parse(s string) (ARN, error) {
	parsed, err := sdk.Parse(s)
	if err != nil {
		return ARN{}, fmt.Errorf("read %q: not an ARN", s)
	}
	return ARN{Partition: Partition(parsed.Partition), Service: parsed.Service, Region: parsed.Region, Account: parsed.AccountID, Resource: parsed.Resource}, nil
}

// Of reads an ARN whose text AWS wrote: what is none gives the zero ARN, all of whose fields are "". It reads what Parse
// reads, and copies nothing: events are read with it by the million.
func Of(s string) ARN {
	rest, found := strings.CutPrefix(s, "arn:")
	if !found {
		return ARN{}
	}
	var partition string
	var a ARN
	for _, field := range [...]*string{&partition, &a.Service, &a.Region, &a.Account} {
		if *field, rest, found = strings.Cut(rest, ":"); !found {
			return ARN{}
		}
	}
	a.Partition, a.Resource = Partition(partition), rest
	return a
}

// Kind reads the service and the kind of the resource out of a buffer that holds an ARN, without a copy: "kms" and
// "key". Both are nil where it holds none.
func Kind(b []byte) (service, kind []byte) {
	rest, found := bytes.CutPrefix(b, []byte("arn:"))
	if !found {
		return nil, nil
	}
	for field := range 4 {
		var value []byte
		if value, rest, found = bytes.Cut(rest, []byte(":")); !found {
			return nil, nil
		}
		if field == 1 {
			service = value
		}
	}
	if at := bytes.IndexAny(rest, "/:"); at >= 0 {
		kind = rest[:at]
	}
	return service, kind
}

// Is reports whether a text is an ARN.
func Is(s string) bool { return sdk.IsARN(s) }

// String is the ARN as AWS writes it; "" for the zero ARN.
func (a ARN) String() string {
	if a == (ARN{}) {
		return ""
	}
	return sdk.ARN{Partition: string(a.Partition), Service: a.Service, Region: a.Region, AccountID: a.Account, Resource: a.Resource}.String()
}

// Alias is the KMS alias, such as "alias/shop", by which a key is named, alone or in an ARN; "" where it is named by its id.
func Alias(key string) string {
	const kind = "alias/"
	if strings.HasPrefix(key, kind) {
		return key
	}
	if whole := Of(key).Resource; strings.HasPrefix(whole, kind) {
		return whole
	}
	return ""
}

// In is the same resource in another Region: a replica of a secret, a replica of a multi-Region key.
func (a ARN) In(region string) ARN {
	a.Region = region
	return a
}

// Split cuts the resource at its first "/" or ":": "secret" and "app/db-AbCdEf". A resource without either is all name.
func (a ARN) Split() (kind, name string) {
	at := strings.IndexAny(a.Resource, "/:")
	if at < 0 {
		return "", a.Resource
	}
	return a.Resource[:at], a.Resource[at+1:]
}

// Name is what follows the kind of the resource: all after the first "/" or ":".
func (a ARN) Name() string {
	_, name := a.Split()
	return name
}

// Session takes the ARN of an assumed-role session apart: the name of the role, without the path that such an ARN never
// has, and the name of the session.
func (a ARN) Session() (role, session string, ok bool) {
	kind, name := a.Split()
	if kind != "assumed-role" || a.Service != "sts" {
		return "", "", false
	}
	role, session, _ = strings.Cut(name, "/")
	return role, session, true
}

// Base is what follows the last "/": the name of a role without its path, the session of an assumed role.
func (a ARN) Base() string { return a.Resource[strings.LastIndexByte(a.Resource, '/')+1:] }
