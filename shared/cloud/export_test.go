package cloud

// CleanSubject is for the fuzz test.
var CleanSubject = cleanSubject
