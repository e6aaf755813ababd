"""Who may: authorizers beside RBAC, the configuration that orders them, and the roles that a start puts right."""
