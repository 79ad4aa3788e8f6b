// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {ConversationToken} from "../src/ConversationToken.sol";
import {RoomRegistry} from "../src/RoomRegistry.sol";

/// The token with a conversation put straight into it, so that a solver need not think about signatures and clones.
/// Editions and transfers run through the contract's own code.
contract Given is ConversationToken {
    function give(uint256 token, address to) external {
        _mint(to, token);
    }
}

/// Statements for a symbolic checker (halmos): true for every input, not for some. forge passes over them.
contract Symbolic is Test {
    Given token;
    RoomRegistry registry;

    function setUp() public {
        token = new Given();
        registry = new RoomRegistry();
    }

    /// Whoever holds nothing of a conversation opens nothing of it, whatever the ids.
    function check_onlyHoldersOpen(uint256 minted, uint256 asked, address holder, address person) public {
        vm.assume(holder != address(0));
        token.give(minted, holder);
        bool same = (minted >> 16) == (asked >> 16);
        assert(token.canOpen(asked, person) == (same && person == holder));
    }

    /// A transfer moves access, whole and at once.
    function check_accessMovesWithTheToken(uint256 id, address from, address to) public {
        vm.assume(from != address(0) && to != address(0) && from != to);
        token.give(id, from);
        vm.prank(from);
        token.transferFrom(from, to, id);
        assert(!token.canOpen(id, from));
        assert(token.canOpen(id, to));
    }

    /// Without the holder's leave nobody moves it.
    function check_strangersMoveNothing(uint256 id, address holder, address stranger, address to) public {
        vm.assume(holder != address(0) && to != address(0) && stranger != holder && stranger != address(0));
        token.give(id, holder);
        vm.prank(stranger);
        (bool moved,) = address(token).call(abi.encodeCall(token.transferFrom, (holder, to, id)));
        assert(!moved);
        assert(token.canOpen(id, holder));
    }

    /// A room's id belongs to whoever computed it: nobody else can come to own the room.
    function check_roomsCannotBeSquatted(address creator, address squatter, bytes32 salt, bytes32 other)
        public
    {
        vm.assume(creator != address(0) && squatter != address(0) && creator != squatter);
        bytes32 room = registry.roomId(creator, salt);
        vm.prank(squatter);
        registry.createRoom(other, new address[](0));
        assert(registry.ownerOf(room) == address(0));
    }

    /// Membership is what was asked for, for every person.
    function check_addingAddsThatPersonAlone(bytes32 salt, address added, address person) public {
        vm.assume(added != address(0));
        address[] memory persons = new address[](1);
        persons[0] = added;
        bytes32 room = registry.createRoom(salt, persons);
        assert(registry.isAllowed(room, person) == (person == added || person == address(this)));
    }
}
