// Package cloudformation deploys synthesized templates and stack sets by the API calls that AWS CloudFormation would
// make, in the name of the deploying role.
package cloudformation
