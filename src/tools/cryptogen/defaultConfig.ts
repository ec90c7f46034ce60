/** The configuration that `generate` uses without `--config`, and `showtemplate` prints. */
export const DEFAULT_CONFIG = `# Orderer organizations: each gets a signing CA, a TLS CA, its orderers and an Admin.
OrdererOrgs:
  - Name: Orderer
    # Names the folder, and completes host names.
    Domain: example.com
    # true: roles are told apart by organizational units, and config.yaml says so;
    # false: the Admin's certificate is copied into every admincerts folder.
    EnableNodeOUs: false
    # Hosts one by one.
    Specs:
      - Hostname: orderer

# Peer organizations: as above, with peers and ordinary users.
PeerOrgs:
  - Name: Org1
    Domain: org1.example.com
    EnableNodeOUs: false

    # The CA's own entry; all of it is optional.
    # CA:
    #   Hostname: ca                      # its common name becomes ca.org1.example.com
    #   Country: US
    #   Province: California
    #   Locality: San Francisco
    #   OrganizationalUnit: Blockchain
    #   StreetAddress: 1 Main Street
    #   PostalCode: "94105"

    # Hosts one by one. CommonName and SANS are templates over .Hostname and .Domain, SANS over
    # .CommonName too. The common name and the host name are always among the SANs; IP addresses
    # are recognised.
    # Specs:
    #   - Hostname: gateway               # gateway.org1.example.com
    #     CommonName: "{{.Hostname}}-1.{{.Domain}}"
    #     SANS:
    #       - "{{.Hostname}}.internal"
    #       - 10.0.0.7

    # Hosts by number: peer0, peer1 and so on.
    Template:
      Count: 1
      # Start: 5
      # Hostname: "{{.Prefix}}{{.Index}}"
      # SANS:
      #   - "{{.Hostname}}.other.{{.Domain}}"

    # Users besides Admin: User1, User2 and so on.
    Users:
      Count: 1

  - Name: Org2
    Domain: org2.example.com
    EnableNodeOUs: false
    Template:
      Count: 1
    Users:
      Count: 1
`
