// Package dynamodb is Amazon DynamoDB: tables with indexes, conditional writes, queries and scans.
package dynamodb
