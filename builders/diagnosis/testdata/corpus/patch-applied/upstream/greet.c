int greeting;
