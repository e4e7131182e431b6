// Package arn knows Amazon Resource Names and the partitions of AWS: nothing else splits or joins an ARN, and nothing
// else knows how host names and service principals end.
package arn
