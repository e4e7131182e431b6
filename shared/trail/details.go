package trail

// Details are what a record holds beside its Change, of which only trying policies on it has need.
type Details struct {
	PrincipalID    string // aws:userid: AROA…:session, AIDA…
	AccessKeyID    string // AKIA… of a user's own keys, ASIA… of a session
	SourceIdentity string // set when the role was assumed
	MFA            string // "true" or "false", of a session
	IssuedAt       string // when the session's credentials were issued, as the record writes it
	VPCEndpoint    string // vpce-… that the call came through

	// Whole: it is CloudTrail's own record, in which a member that is not there is not. Other schemas and tables drop some.
	Whole bool
	// Request and Response are requestParameters and responseElements of whatever service, nil where there are none. Values of secrets are
	// left out.
	Request, Response map[string]any
}

// Details reads them. Of a Record without Raw they are empty.
func (r Record) Details() Details {
	var d Details
	var request, response []byte
	c := cursor{buf: r.Raw}
	member := func(name []byte) {
		switch string(name) {
		case "eventVersion":
			d.Whole = c.text().present()
		case "vpcEndpointId":
			d.VPCEndpoint = c.text().String()
		case "requestParameters":
			request = c.span()
		case "responseElements":
			response = c.span()
		case "userIdentity":
			d.readIdentity(&c)
		default:
			c.skip()
		}
	}
	if len(r.Raw) == 0 {
		return d
	}
	c.object(func(name []byte) {
		if string(name) == "detail" {
			c.object(member)
			return
		}
		member(name)
	})
	if c.err != nil {
		return Details{}
	}
	d.Request, d.Response = readObject(request), readObject(response)
	return d
}

func (d *Details) readIdentity(c *cursor) {
	c.object(func(name []byte) {
		switch string(name) {
		case "principalId":
			d.PrincipalID = c.text().String()
		case "accessKeyId":
			d.AccessKeyID = c.text().String()
		case "sessionContext":
			d.readSession(c)
		default:
			c.skip()
		}
	})
}

func (d *Details) readSession(c *cursor) {
	c.object(func(name []byte) {
		switch string(name) {
		case "sourceIdentity":
			d.SourceIdentity = c.text().String()
		case "attributes":
			c.object(func(name []byte) {
				switch string(name) {
				case "mfaAuthenticated":
					d.MFA = c.text().String()
				case "creationDate":
					d.IssuedAt = c.text().String()
				default:
					c.skip()
				}
			})
		default:
			c.skip()
		}
	})
}
