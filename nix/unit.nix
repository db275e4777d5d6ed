# How much of the machine the service sees: the same lines as in scripts/deploy/weft-hub.service, which says why.
{
  Type = "notify";
  Restart = "on-failure";
  RestartSec = 2;
  TimeoutStopSec = 15;
  DynamicUser = true;
  StateDirectoryMode = "0700";
  UMask = "0077";
  AmbientCapabilities = "";
  CapabilityBoundingSet = "";
  NoNewPrivileges = true;
  ProtectSystem = "strict";
  ProtectHome = true;
  PrivateTmp = true;
  PrivateDevices = true;
  PrivateUsers = true;
  ProtectHostname = true;
  ProtectClock = true;
  ProtectKernelTunables = true;
  ProtectKernelModules = true;
  ProtectKernelLogs = true;
  ProtectControlGroups = true;
  ProtectProc = "invisible";
  ProcSubset = "pid";
  RestrictAddressFamilies = [
    "AF_INET"
    "AF_INET6"
    "AF_UNIX"
  ];
  RestrictNamespaces = true;
  RestrictRealtime = true;
  RestrictSUIDSGID = true;
  LockPersonality = true;
  MemoryDenyWriteExecute = true;
  RemoveIPC = true;
  SystemCallArchitectures = "native";
  SystemCallFilter = [
    "@system-service"
    "~@privileged @resources"
  ];
  LimitNOFILE = 65536;
}
