int greeting = 1;
