// Package preventive renders the service control policies and key policies that keep a secret from being opened by
// the AWS managed key in the first place. It is pure: it reads a configuration and writes policy JSON; it attaches
// nothing, evaluates nothing and calls nobody.
package preventive
