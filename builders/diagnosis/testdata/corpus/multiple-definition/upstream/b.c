int greeting = 2;
