// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC721Enumerable} from "@openzeppelin/contracts/token/ERC721/extensions/ERC721Enumerable.sol";
import {ConversationToken} from "../src/ConversationToken.sol";
import {RoomRegistry} from "../src/RoomRegistry.sol";
import {RoyaltySplitter} from "../src/RoyaltySplitter.sol";
import {Coin, Conversations} from "./Fixtures.sol";

/// The bare ERC-721 that the token's calls are compared with.
contract Plain is ERC721("Plain", "PLN") {
    function mint(address to, uint256 id) external {
        _safeMint(to, id);
    }
}

/// Roles as OpenZeppelin keeps them: a mapping, no list that could be read back.
contract Roles is AccessControl {
    constructor() {
        _grantRole(DEFAULT_ADMIN_ROLE, msg.sender);
    }
}

/// What the first prototype did, by its interface: a list for each person, searched from its beginning.
contract PrototypeWhitelist {
    mapping(address => address[]) private lists;

    function add(address person) external {
        lists[msg.sender].push(person);
    }

    function remove(address person) external {
        address[] storage list = lists[msg.sender];
        for (uint256 i = 0; i < list.length; i++) {
            if (list[i] != person) continue;
            list[i] = list[list.length - 1];
            list.pop();
            return;
        }
    }

    function isListed(address of_, address person) external view returns (bool) {
        address[] storage list = lists[of_];
        for (uint256 i = 0; i < list.length; i++) {
            if (list[i] == person) return true;
        }
        return false;
    }
}

/// And for each image a contract of its own, with a token for each holder.
contract PrototypeImage is ERC721Enumerable {
    string private content;

    constructor(string memory cid, address[] memory holders) ERC721("medNFT", "HSync") {
        content = cid;
        for (uint256 i = 0; i < holders.length; i++) {
            _safeMint(holders[i], i + 1);
        }
    }
}

/// What each call costs, in snapshots/Gas.json: a change of a call's gas is a change of that file. The numbers are
/// the EVM's; on Filecoin only their order can be compared.
contract GasTest is Conversations {
    function test_token() public {
        vm.warp(1_000_000);
        uint256 before = gasleft();
        token = new ConversationToken();
        vm.snapshotValue("Gas", "deploy ConversationToken", before - gasleft());
        for (uint256 count = 1; count <= 10; count = count * 2 + 1) {
            makePeople(count);
            ConversationToken.MintTerms memory some = someTerms();
            bytes[] memory signatures = signed(some);
            token.mint(some, signatures);
            vm.snapshotGasLastCall("Gas", string.concat("token.mint, contributors: ", vm.toString(count)));
        }
        makePeople(3);
        ConversationToken.MintTerms memory terms = someTerms();
        terms.nonce++;
        terms.editions = new address[](10);
        for (uint256 i = 0; i < 10; i++) {
            terms.editions[i] = address(uint160(100 + i));
        }
        bytes[] memory all = signed(terms);
        uint256 id = token.mint(terms, all);
        vm.snapshotGasLastCall("Gas", "token.mint, contributors: 3, editions: 10");
        vm.prank(holder);
        token.transferFrom(holder, stranger, id);
        vm.snapshotGasLastCall("Gas", "token.transferFrom");
        token.canOpen(id, stranger);
        vm.snapshotGasLastCall("Gas", "token.canOpen");
        vm.prank(people[0]);
        token.retract(id);
        vm.snapshotGasLastCall("Gas", "token.retract, not the last");
        vm.prank(people[1]);
        token.retract(id);
        vm.snapshotGasLastCall("Gas", "token.retract, the last");
        terms.nonce++;
        uint256 unused = token.conversationId(terms);
        vm.prank(people[0]);
        token.revokeConsent(unused);
        vm.snapshotGasLastCall("Gas", "token.revokeConsent");

        RoyaltySplitter splitter = splitterOf(id);
        vm.deal(address(splitter), 1 ether);
        vm.prank(people[0]);
        splitter.claim(address(0), payable(people[0]));
        vm.snapshotGasLastCall("Gas", "splitter.claim, own currency");
        Coin coin = new Coin();
        coin.give(address(splitter), 1 ether);
        vm.prank(people[0]);
        splitter.claim(address(coin), payable(people[0]));
        vm.snapshotGasLastCall("Gas", "splitter.claim, ERC-20");
    }

    function test_reference() public {
        uint256 before = gasleft();
        Plain plain = new Plain();
        vm.snapshotValue("Gas", "reference: deploy OpenZeppelin ERC721", before - gasleft());
        plain.mint(holder, 1);
        vm.snapshotGasLastCall("Gas", "reference: ERC721 mint");
        vm.prank(holder);
        plain.transferFrom(holder, stranger, 1);
        vm.snapshotGasLastCall("Gas", "reference: ERC721 transferFrom");
    }

    function test_referenceForRooms() public {
        uint256 before = gasleft();
        Roles roles = new Roles();
        vm.snapshotValue("Gas", "reference: deploy OpenZeppelin AccessControl", before - gasleft());
        roles.grantRole("member", holder);
        vm.snapshotGasLastCall("Gas", "reference: AccessControl grantRole");
        roles.hasRole("member", holder);
        vm.snapshotGasLastCall("Gas", "reference: AccessControl hasRole");
        roles.revokeRole("member", holder);
        vm.snapshotGasLastCall("Gas", "reference: AccessControl revokeRole");
    }

    function test_prototype() public {
        PrototypeWhitelist list = new PrototypeWhitelist();
        list.add(holder);
        vm.snapshotGasLastCall("Gas", "prototype: first on the whitelist");
        for (uint256 i = 0; i < 98; i++) {
            list.add(address(uint160(1_000 + i)));
        }
        list.add(stranger);
        vm.snapshotGasLastCall("Gas", "prototype: hundredth on the whitelist");
        list.isListed(address(this), stranger);
        vm.snapshotGasLastCall("Gas", "prototype: hundredth is looked up");
        list.remove(stranger);
        vm.snapshotGasLastCall("Gas", "prototype: hundredth is removed");
        address[] memory holders = new address[](3);
        for (uint256 i = 0; i < 3; i++) {
            holders[i] = address(uint160(2_000 + i));
        }
        string memory cid = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
        uint256 before = gasleft();
        new PrototypeImage(cid, holders);
        vm.snapshotValue("Gas", "prototype: one image for three holders", before - gasleft());
    }

    function test_registry() public {
        uint256 before = gasleft();
        RoomRegistry registry = new RoomRegistry();
        vm.snapshotValue("Gas", "deploy RoomRegistry", before - gasleft());
        bytes32 room = registry.createRoom("salt", new address[](0));
        vm.snapshotGasLastCall("Gas", "registry.createRoom, alone");
        for (uint256 count = 1; count <= 100; count *= 100) {
            address[] memory persons = new address[](count);
            for (uint256 i = 0; i < count; i++) {
                persons[i] = address(uint160(1_000 * count + i));
            }
            registry.addMembers(room, persons);
            vm.snapshotGasLastCall("Gas", string.concat("registry.addMembers, persons: ", vm.toString(count)));
        }
        address[] memory one = new address[](1);
        one[0] = address(1_000);
        registry.isAllowed(room, one[0]);
        vm.snapshotGasLastCall("Gas", "registry.isAllowed");
        registry.setModerator(room, one[0], true);
        vm.snapshotGasLastCall("Gas", "registry.setModerator");
        registry.removeMembers(room, one);
        vm.snapshotGasLastCall("Gas", "registry.removeMembers, persons: 1");
        vm.prank(address(100_000));
        registry.leave(room);
        vm.snapshotGasLastCall("Gas", "registry.leave");
        registry.transferOwnership(room, address(100_001));
        vm.snapshotGasLastCall("Gas", "registry.transferOwnership");
        vm.prank(address(100_001));
        registry.acceptOwnership(room);
        vm.snapshotGasLastCall("Gas", "registry.acceptOwnership");
        vm.prank(address(100_001));
        registry.archive(room);
        vm.snapshotGasLastCall("Gas", "registry.archive");
    }
}
